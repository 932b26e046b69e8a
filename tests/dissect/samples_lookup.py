"""Conversations of the early lookup services: one line asks, the rest of the connection answers."""

FINGER_ANSWER = (
    b"Login: root           \t\t\tName: root\r\n"
    b"Directory: /root                    \tShell: /bin/bash\r\n"
    b"On since Mon Jan  5 10:12 (UTC) on tty1     2 hours 4 minutes idle\r\n"
    b"No mail.\r\nNo Plan.\r\n"
)
FINGER_LIST = (
    b"Login     Name       Tty      Idle  Login Time   Office     Office Phone\r\n"
    b"root      root       tty1     2:04\r\n"
)
GOPHER_MENU = (
    b"iWelcome to Floodgap Systems' official gopher server.\t\terror.host\t1\r\n"
    b"1Overbite Project\t/overbite\tgopher.floodgap.com\t70\r\n"
    b"0Does this gopher menu look correct?\t/gopher/proxy\tgopher.floodgap.com\t70\r\n"
    b"7Search Veronica-2\t/v2/vs\tgopher.floodgap.com\t70\t+\r\n"
    b"hGitHub\tURL:https://github.com\tgopher.floodgap.com\t70\r\n.\r\n"
)
GOPHER_ERROR = b"3Sorry! The selector /none does not exist there.\t\terror.host\t1\r\n.\r\n"

LOOKUP: dict[str, tuple[tuple[str, int, tuple[tuple[bool, bytes], ...]], ...]] = {
    "finger": (
        ("tcp", 79, ((True, b"/W root\r\n"), (False, FINGER_ANSWER))),
        ("tcp", 79, ((True, b"\r\n"), (False, FINGER_LIST))),
    ),
    "gopher": (
        ("tcp", 70, ((True, b"\r\n"), (False, GOPHER_MENU))),
        ("tcp", 70, ((True, b"/v2/vs\tgopher clients\r\n"), (False, GOPHER_MENU))),
        ("tcp", 70, ((True, b"/none\r\n"), (False, GOPHER_ERROR))),
    ),
}
