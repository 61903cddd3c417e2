"""The traps that instruments set, by their number in the collection of conventions.

What a shipped profile reads comes in as text. Where the instrument speaks a block protocol,
or its profile is not shipped, results are what its driver has to fill in; each of those tests
says so.
"""

import pytest

from drivers.result import Result


def sysmex(*records: str, sample: str = "27", order: str = "N", report: str = "F") -> str:
    """A Sysmex XN message; a record is test, value, R.9 and the minutes after ten."""
    lines = [
        r"H|\^&|||    XN-550^00-24^22723^^^^BD634545||||||||E1394-97",
        "P|1",
        rf"O|1||^^{sample:>22}^M|^^^^WBC\^^^^RBC|||||||{order}||||||||||||||{report}",
    ]
    for number, record in enumerate(records, 1):
        test, value, status, minutes = record.split()
        lines.append(
            f"R|{number}|^^^^{test}^1|{value}|10*3/uL||N||{status}||||202605201{minutes:>03}00"
        )
    return "\n".join([*lines, "L|1|N"])


def c111(value: str, status: str, clock: str) -> str:
    """A cobas c 111 message with one result of test 413."""
    return "\n".join(
        [
            r"H|\^&|||RERUND^Roche^c111^4.2.2.1730^1^13147|||||host|RSUPL^REAL|P|1|20260520131713",
            "P|1||",
            "O|1||S1^^6||S||||||N|||||||||||20260520131713|||F",
            f"R|1|^^^413|{value}|g/L||N||{status}||$SYS$||20260520{clock}00",
            "L|1|N",
        ]
    )


def vision(value: str, status: str, clock: str) -> str:
    """An Ortho VISION message with one result."""
    return "\n".join(
        [
            r"H|\^&|||OCD^VISION^5.13.1.46935^JNumber|||||||P|LIS2-A|20260520101500",
            "P|1||PID123456",
            "O|1|S1||ABO|N|20260520101500|||||||||CENTBLOOD|||||||20260520101500|||R",
            f"R|1|ABO|{value}|||||{status}||Automatic||20260520{clock}00|JNumber",
            "L|1|N",
        ]
    )


def cl(*runs: str) -> str:
    """A Mindray CL message; a run is OBX-5, OBX-13, OBX-17 and the time of day."""
    lines = [
        r"MSH|^~\&|||||20260520120000||ORU^R01|1|P|2.3.1||||0||ASCII|||",
        "OBR|1|S1|17|^|N",
    ]
    for number, run in enumerate(runs, 1):
        value, original, flag, clock = run.split()
        lines.append(
            f"OBX|{number}|NM|2|TSH|{value}|uIU/mL||N|||F||{original}|20260520{clock}00|||{flag}|"
        )
    return "\n".join(lines)


def bs(value: str, clock: str) -> str:
    """A Mindray BS message with one result."""
    return "\n".join(
        [
            r"MSH|^~\&|Mindray|BS-200E|||20260520120000||ORU^R01|1|P|2.3.1||||0||ASCII|||",
            "OBR|1|S1|17|Mindray^BS-200E|N",
            f"OBX|1|NM|5|ALT|{value}|U/L||N|||F||{value}|20260520{clock}00",
        ]
    )


def tcd(value: str, clock: str, details: str) -> str:
    """A message by the standard, with one result and its details."""
    return "\n".join(
        [
            r"MSH|^~\&|A1|Lab|||20260520120000||OUL^R22^OUL_R22|1|P|2.5.1",
            "SPM|1|S1",
            "OBR|1|||CHEM",
            f"OBX|1|NM|GLU^Glucose^L||{value}|mmol/L|||||F||||||||20260520{clock}00",
            details,
        ]
    )


def values(outcome) -> dict[str, Result]:
    return {r.test_code: r for payload, _ in outcome.payloads for r in payload.results}


def test_trap_01_an_announced_rerun_is_no_rerun(new_instrument, summary):
    xn = new_instrument(driver="sysmex-xn")
    outcome = xn.receive(sysmex("WBC 1.2 P 5"))
    wbc = values(outcome)["WBC"]
    assert (wbc.run_kind, wbc.next_action) == ("original", "rerun")
    assert summary(outcome) == [(0, ["WBC"])]


def test_trap_02_the_second_set_repeats_only_what_it_holds(new_instrument, summary, kinds):
    xn = new_instrument(driver="sysmex-xn")
    xn.receive(sysmex("WBC 1.2 P 5", "RBC 4.5 P 5", "PLT 99 P 5"))
    outcome = xn.receive(sysmex("WBC 1.3 F 9", "PLT 98 F 9", order="A"), at="11:05")
    assert summary(outcome) == [(-1, ["WBC", "PLT"])]
    assert kinds(outcome) == {"WBC": "rerun", "PLT": "rerun"}
    assert values(outcome)["WBC"].raw_marker == "O.12=A"
    assert [run.value for run in xn.history.runs("27") if run.test_code == "RBC"] == ["4.5"]


def test_trap_03_a_reflex_adds_parameters(new_instrument, summary, kinds):
    xn = new_instrument(driver="sysmex-xn")
    xn.receive(sysmex("WBC 1.2 P 5", "PLT 99 P 5"))
    outcome = xn.receive(sysmex("PLT 98 F 9", "RET 1.0 F 9", "PLT-F 97 F 9", order="A"))
    assert summary(outcome) == [(0, ["RET", "PLT-F"]), (-1, ["PLT"])]
    assert kinds(outcome) == {"PLT": "rerun", "RET": "reflex", "PLT-F": "reflex"}


def test_trap_04_a_rerun_sent_again_is_two_runs_not_three(new_instrument, summary):
    analyzer = new_instrument(driver="roche-cobas-c111")
    assert summary(analyzer.receive(c111("40.1", "F", "1010"))) == [(0, ["413"])]
    assert summary(analyzer.receive(c111("41.0", "C", "1030"))) == [(-1, ["413"])]
    assert analyzer.receive(c111("41.0", "R", "1030"), at="12:00").state == "retransmission"
    assert len(analyzer.history.runs("S1")) == 2


@pytest.mark.conformance(105)
def test_trap_05_vision_repeats_with_the_letter_of_the_standards_resend(new_instrument, summary):
    first, again = vision("A", "F", "1010"), vision("A", "R", "1030")
    reader = new_instrument(driver="ortho-vision")
    reader.receive(first)
    outcome = reader.receive(again)
    (repeat,) = values(outcome).values()
    assert (repeat.run_kind, repeat.evidence, repeat.conflict) == ("repeat", "explicit", False)
    assert [payload.rerun_number for payload, _ in outcome.payloads] == [-1]


@pytest.mark.conformance(105)
def test_trap_05_the_same_under_the_standard_is_a_resend_that_history_denies(new_instrument):
    generic = new_instrument()
    generic.receive(vision("A", "F", "1010"))
    outcome = generic.receive(vision("A", "R", "1030"))
    (result,) = values(outcome).values()
    assert (result.run_kind, result.evidence, result.confidence) == ("repeat", "history", "medium")
    assert outcome.conflicts == [result.result_id]
    assert generic.receive(vision("A", "R", "1030"), at="11:30").state == "retransmission"


@pytest.mark.conformance(105)
def test_trap_05_a_lone_standard_resend_is_no_rerun(new_instrument):
    ((payload, _),) = new_instrument().receive(vision("A", "R", "1030")).payloads
    assert payload.is_rerun is False
    assert payload.results[0].conflict is True


@pytest.mark.conformance(106)
def test_trap_05_correction_by_the_standard_is_a_rerun_on_cobas(new_instrument):
    seen = {}
    for driver in ("generic-astm", "roche-cobas-c111"):
        analyzer = new_instrument(driver=driver)
        analyzer.receive(c111("40.1", "F", "1010"))
        ((payload, _),) = analyzer.receive(c111("41.0", "C", "1010")).payloads
        seen[driver] = (payload.is_rerun, payload.results[0].run_kind)
    assert seen == {
        "generic-astm": (False, "correction"),
        "roche-cobas-c111": (True, "rerun"),
    }


def test_trap_06_originals_sent_again_with_their_reruns(new_instrument, summary):
    analyzer = new_instrument(driver="mindray-cl")
    analyzer.receive(cl("2.1 2.1 0 1000"))
    outcome = analyzer.receive(cl("2.1 2.1 0 1000", "2.4 2.4 1 1020"), at="10:21")
    assert summary(outcome) == [(-1, ["2"])]
    assert len(outcome.retransmitted) == 1
    third = analyzer.receive(cl("2.1 2.1 0 1000", "2.4 2.4 1 1020", "2.5 2.5 1 1040"), at="10:41")
    assert [(p.rerun_number, p.results[0].value) for p, _ in third.payloads] == [(-1, "2.5")]
    assert [run.value for run in analyzer.history.runs("S1")] == ["2.1", "2.4", "2.5"]


def test_trap_07_an_edited_value_is_a_correction(new_instrument):
    analyzer = new_instrument(driver="mindray-cl")
    ((first, _),) = analyzer.receive(cl("2.1 2.1 0 1000")).payloads
    ((payload, _),) = analyzer.receive(cl("2.2 2.1 0 1000"), at="11:10").payloads
    assert (payload.is_rerun, payload.results[0].run_kind) == (False, "correction")
    assert payload.results[0].supersedes == first.results[0].result_id


def test_trap_08_an_unmarked_second_result_is_a_repeat_by_history(new_instrument):
    analyzer = new_instrument(driver="mindray-bs")
    analyzer.receive(bs("32.000000", "1000"))
    ((payload, _),) = analyzer.receive(bs("33.000000", "1020"), at="11:20").payloads
    result = payload.results[0]
    assert (payload.is_rerun, result.run_kind, result.confidence) == (True, "repeat", "medium")
    assert analyzer.receive(bs("33.000000", "1020"), at="11:40").state == "retransmission"


def test_trap_09_the_same_value_at_another_time_is_a_repeat(new_instrument, summary):
    xn = new_instrument(driver="sysmex-xn")
    xn.receive(sysmex("WBC 5.0 F 5"))
    assert summary(xn.receive(sysmex("WBC 5.0 F 9"))) == [(-1, ["WBC"])]


def test_trap_10_a_marked_repeat_with_a_dilution(instrument, value):
    """cobas infinity, ASTM without a shipped profile: O.22 = R, dilution 10 in R.3.5."""
    instrument.send(value("GLU", "++", "10:00"))
    mark = {"run_kind": "repeat", "evidence": "explicit", "raw_marker": "O.22=R"}
    ((payload, _),) = instrument.send(value("GLU", "42", "10:20", dilution="10", **mark)).payloads
    assert (payload.is_rerun, payload.results[0].run_kind) == (True, "repeat_diluted")


def test_trap_11_a_numbered_rerun_that_failed_is_still_a_run(instrument, value, summary):
    """COBAS INTEGRA blocks: line 27 has rerun order, dilution 1:5, and 9.99E+99 for no value."""
    mark = {"run_kind": "repeat", "evidence": "run_index"}
    outcome = instrument.send(
        value("CRP", "300", "10:00"),
        value("CRP", "9.99E+99", "10:10", invalid_reason="not_calculable", **mark),
        value("CRP", "311", "10:20", dilution="1:5", **mark),
    )
    assert summary(outcome) == [(0, ["CRP"]), (-1, ["CRP"]), (-1, ["CRP"])]
    runs = [payload.results[0] for payload, _ in outcome.payloads]
    assert [run.run_kind for run in runs] == ["original", "repeat", "repeat_diluted"]


def test_trap_12_the_analyte_repeat_status(new_instrument):
    analyzer = new_instrument(driver="generic-hl7")
    analyzer.receive(tcd("5.0", "1000", "TCD|GLU|^1^:^1||||||O"))
    diluted = analyzer.receive(tcd("51", "1020", "TCD|GLU|^1^:^1|^1^:^10|||||D"), at="11:20")
    ((payload, _),) = diluted.payloads
    result = payload.results[0]
    assert (payload.is_rerun, result.run_kind, result.dilution) == (True, "repeat_diluted", "10")
    outcome = analyzer.receive(tcd("5.3", "1040", "TCD|GLU|^1^:^1||||||O"), at="11:40")
    assert len(outcome.conflicts) == 1
    assert outcome.payloads[0][0].is_rerun is True
    assert [run.value for run in analyzer.history.runs("S1")] == ["5.0", "51", "5.3"]


@pytest.mark.parametrize(
    "message",
    [
        {"order": "Q", "sample": "27"},
        {"order": "N", "sample": "QC-12345"},
    ],
    ids=["by its action code", "by its specimen id"],
)
def test_trap_13_control_material_run_twice_is_no_rerun(new_instrument, message):
    xn = new_instrument(driver="sysmex-xn")
    for minutes in (5, 9):
        ((payload, _),) = xn.receive(sysmex(f"WBC 5.{minutes} F {minutes}", **message)).payloads
        assert (payload.kind, payload.is_rerun, payload.rerun_number) == ("qc", False, 0)
        assert payload.results[0].run_kind == "qc"


def test_trap_14_replicates_are_no_reruns(instrument, value, summary):
    """An n-fold order as a driver fills it in: the part's number from R.3 or OBX-4."""
    triple = [value("HCG", text, replicate=n) for n, text in enumerate(("5", "6", "5"), 1)]
    assert summary(instrument.send(*triple)) == [(0, ["HCG", "HCG", "HCG"])]
    for n, text in enumerate(("7", "8"), 1):
        part = value("TSH", text, f"10:0{n}", replicate=n)
        assert summary(instrument.send(part)) == [(0, ["TSH"])]
    again = [value("HCG", "6", "10:30", replicate=n) for n in (1, 2, 3)]
    assert summary(instrument.send(*again)) == [(-1, ["HCG", "HCG", "HCG"])]


def test_trap_15_failed_barcode_reads_are_not_each_others_history(new_instrument, summary):
    xn = new_instrument(driver="sysmex-xn")
    for minutes in (5, 9):
        outcome = xn.receive(sysmex(f"WBC 5.0 F {minutes}", sample="ERR0000001"))
        assert summary(outcome) == [(0, ["WBC"])]
        assert outcome.payloads[0][1].id_reliable is False


def test_trap_16_an_id_used_again_after_the_window_is_a_new_sample(new_instrument):
    xn = new_instrument(driver="sysmex-xn")
    xn.receive(sysmex("WBC 5.0 F 5"), at="2026-05-17T10:59:59Z")
    ((payload, _),) = xn.receive(sysmex("WBC 5.1 F 9"), at="2026-05-20T11:00:00Z").payloads
    assert payload.is_rerun is False
    ((payload, _),) = xn.receive(sysmex("WBC 5.2 F 19"), at="2026-05-20T11:10:00Z").payloads
    assert payload.is_rerun is True


def test_trap_17_each_instrument_has_its_own_history(new_instrument, summary):
    left, right = (new_instrument(name, driver="sysmex-xn") for name in ("left", "right"))
    left.receive(sysmex("WBC 5.0 F 5"))
    assert summary(right.receive(sysmex("WBC 5.1 F 9"))) == [(0, ["WBC"])]


def test_trap_18_a_run_that_arrives_late_keeps_what_is_registered(new_instrument, summary):
    xn = new_instrument(driver="sysmex-xn")
    assert summary(xn.receive(sysmex("WBC 5.1 F 9"))) == [(0, ["WBC"])]
    outcome = xn.receive(sysmex("WBC 5.0 F 5"))
    assert summary(outcome) == [(-1, ["WBC"])]
    assert outcome.conflicts == [values(outcome)["WBC"].result_id]


@pytest.mark.conformance(168)
def test_trap_19_a_replay_decides_the_same(new_instrument):
    messages = [
        sysmex("WBC 1.2 P 5", "PLT 99 P 5"),
        sysmex("WBC 1.3 F 9", "RET 1.0 F 9", order="A"),
        sysmex("WBC 1.3 F 9", "RET 1.0 F 9", order="A"),
        sysmex("WBC 1.4 F 19"),
    ]
    first, second = (
        [xn.receive(text) for text in messages]
        for xn in (new_instrument(driver="sysmex-xn"), new_instrument(driver="sysmex-xn"))
    )
    assert first == second
    assert [outcome.state for outcome in first] == [
        "interpreted",
        "interpreted",
        "retransmission",
        "interpreted",
    ]


@pytest.mark.conformance(170)
@pytest.mark.parametrize("second", ["5.0", "5.1"], ids=["equal values", "other values"])
def test_trap_20_the_hour_that_comes_twice_holds_two_runs(new_instrument, second, summary):
    xn = new_instrument(driver="sysmex-xn", zone="Europe/Berlin")
    night = sysmex("WBC 5.0 F 5").replace("20260520100500", "20261025021500")
    assert summary(xn.receive(night, at="2026-10-25T00:16:00Z")) == [(0, ["WBC"])]
    assert xn.receive(night, at="2026-10-25T00:18:00Z").state == "retransmission"
    later = night.replace("|5.0|", f"|{second}|")
    assert summary(xn.receive(later, at="2026-10-25T01:16:00Z")) == [(-1, ["WBC"])]


def test_trap_21_without_run_times_the_order_of_messages_decides(instrument, value, summary):
    """Beckman AU480: fixed width records without a result time."""
    instrument.send(value("GLU", "99", None), at="11:00", digest=b"99")
    again = instrument.send(value("GLU", "99", None), at="11:00:30", digest=b"99")
    assert again.state == "retransmission"
    ((payload, _),) = instrument.send(value("GLU", "99", None), at="11:10", digest=b"99").payloads
    result = payload.results[0]
    assert (payload.is_rerun, result.run_kind, result.confidence) == (True, "repeat", "low")


def test_trap_22_a_partial_rerun_marks_its_values_only(new_instrument, summary):
    xn = new_instrument(driver="sysmex-xn")
    xn.receive(sysmex("WBC ---- F 5", "RBC 4.5 F 5"))
    outcome = xn.receive(sysmex("WBC 5.0 F 9", order="A"))
    assert summary(outcome) == [(-1, ["WBC"])]


def test_trap_23_a_cancelled_rerun_leaves_the_original_valid(instrument, value):
    """Status X, cannot be done, as a driver fills it in, after a good value."""
    instrument.send(value("GLU", "5.0", "10:00", result_status="F"))
    cancelled = value("GLU", "", "10:20", result_status="X", invalid_reason="cannot_be_done")
    ((payload, _),) = instrument.send(cancelled).payloads
    assert (payload.is_rerun, payload.results[0].supersedes) == (True, None)
    assert [run.usable for run in instrument.history.runs("S1")] == [True, False]


def test_trap_24_who_asked_is_told_by_the_type_and_the_mark_kept(new_instrument):
    told = {}
    for asked in ("host", "instrument"):
        xn = new_instrument(driver="sysmex-xn")
        xn.receive(sysmex("WBC 5.0 F 5"))
        if asked == "host":
            xn.order("WBC", sample_id="27", at="10:07")
        ((payload, _),) = xn.receive(sysmex("WBC 5.1 F 9", order="A")).payloads
        told[asked] = (payload.rerun_type, payload.rerun_number, payload.results[0].raw_marker)
    assert told == {
        "host": ("manual_rerun", 1, "O.12=A"),
        "instrument": ("machine_rerun", -1, "O.12=A"),
    }
