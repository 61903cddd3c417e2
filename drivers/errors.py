"""What goes wrong between a message and its meaning."""


class InterpretError(Exception):
    """The profile can not be meant for this message, which is kept on hold. No patient data.

    `code` is one of "other_sender", "other_receiver", "wrong_password", "no_test_code",
    "no_value"; `message` and `record` are ordinals from 1.
    """

    def __init__(self, code: str, message: int, record: int, expected: str, got: str):
        super().__init__(code, message, record, expected, got)
        self.code = code
        self.message = message
        self.record = record
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return (
            f"{self.code} in record {self.record} of message {self.message}: "
            f"expected {self.expected}, got {self.got}"
        )
