"""The messages that are measured: a blood count in one frame, a differential in 28 frames.

Their shapes (record counts, field lengths) are those of an XN-L and a Pentra XLR; the
sample number is a placeholder that the load generator replaces.
"""

from protocols.astm import frame

PLACEHOLDER = b"@@@@@@@@"

_COUNT = """
WBC RBC HGB HCT MCV MCH MCHC PLT RDW-SD RDW-CV MPV NEUT# LYMPH# MONO# EO# BASO# NEUT% LYMPH%
MONO% EO% BASO% IG# IG% RET# RET% IRF LFR MFR HFR RET-He PLT-F IPF IPF# NRBC# NRBC% MicroR
MacroR TNC PDW P-LCR PCT
""".split()  # noqa: SIM905 - a list of names reads better as words
_DIFF = """
WBC LYM# LYM% MON# MON% NEU# NEU% EOS# EOS% BAS# BAS% RBC HGB HCT MCV MCH MCHC RDW PLT MPV RDWSD
""".split()  # noqa: SIM905


def one_frame(number: bytes = PLACEHOLDER) -> bytes:
    """Return a `sysmex-xn` message of 41 results (48 records) in one frame."""
    sample = number.decode("ascii").rjust(22)
    ordered = "\\".join(f"^^^^{code}" for code in _COUNT)
    records = [
        r"H|\^&|||    XN-550^00-24^11111^^^^AB123456||||||||E1394-97",
        "P|1|||30001|^Doe^Jane||19700101|F|||||^DR.1||||||||||||^^^WEST",
        "C|1||ward",
        f"O|1||^^{sample}^B|{ordered}|||||||N||||||||||||||F",
        "C|1||",
    ]
    for ordinal, code in enumerate(_COUNT, 1):
        value = f"{ordinal * 1.7:.2f}"
        records.append(f"R|{ordinal}|^^^^{code}^1|{value}|10*3/uL||N||F||||20260520103000")
    records += ["C|1||", "L|1|N"]
    text = "".join(f"{record}\r" for record in records).encode("latin-1")
    return frame.encode(text, 1, end=True)


def many_frames(number: bytes = PLACEHOLDER) -> bytes:
    """Return a `horiba-pentra` message of 21 results in 28 frames, one record each."""
    sample = number.decode("ascii")
    records = [
        r"H|\^&|||ABX|||||||P|E1394-97|20260520103000",
        "P|1||||doe^jane||19700101|F",
        f"O|1|{sample}^00^00||^^^DIF||202605200900|202605200800|||||||Standard||||||||||F",
    ]
    for ordinal, code in enumerate(_DIFF, 1):
        value = f"{ordinal * 1.7:.2f}"
        records.append(
            f"R|{ordinal}|^^^{code}^{700 + ordinal}-1^1|{value}|1||||F||OP 1||20260520102900"
        )
        if ordinal in (1, 7, 19):
            records.append("C|1|I|Alarm_WBC^LMNE-^BASO+^LL^NL|I")
    records.append("L|1|N")
    return b"".join(
        frame.encode(f"{record}\r".encode("latin-1"), ordinal % 8, end=True)
        for ordinal, record in enumerate(records, 1)
    )


def oru(number: bytes = PLACEHOLDER) -> bytes:
    """Return an ORU^R01 of 69 segments, 64 of them OBX: the shape of a BC-5380 blood count."""
    sample = number.decode("ascii")
    segments = [
        rf"MSH|^~\&|BC|Vendor|||20260520103000||ORU^R01|{sample}|P|2.3.1||||||UNICODE",
        "PID|1||7393670^^^^MR||Doe^Jane||19700101000000|Female",
        "PV1|1||ward^^001",
        (
            f"OBR|1||{sample}|00001^Automated Count^99MRC||20260520090000|20260520102900"
            "|||OP 1||||20260520090000||||||||||HM||||||||Vendor"
        ),
    ]
    for ordinal in range(1, 65):
        code = f"{10000 + ordinal}-{ordinal % 10}^PARAMETER#{ordinal}^LN"
        value = f"{ordinal * 1.7:.2f}"
        segments.append(f"OBX|{ordinal}|NM|{code}||{value}|10*9/L|4.00-10.00|N|||F||E")
    segments.append("NTE|1||end")
    return "".join(f"{segment}\r" for segment in segments).encode("utf-8")


def oru_with_pictures() -> bytes:
    """Return an ORU^R01 of 1 MB: a hundred pictures in base64."""
    picture = "iVBORw0K" * 1250
    segments = [
        r"MSH|^~\&|BC|Vendor|||20260520103000||ORU^R01|7|P|2.3.1||||||UNICODE",
        "PID|1||7393670^^^^MR",
        *(f"OBX|{n}|ED|{n}^Scattergram||^Image^BMP^Base64^{picture}" for n in range(100)),
    ]
    return "".join(f"{segment}\r" for segment in segments).encode("utf-8")
