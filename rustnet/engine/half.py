"""`Half` where nothing is compiled: compiled it is the C struct in flow.pxd, a part of its flow's memory."""


class Half:
    """One direction of a flow: what one end sent."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.payload = 0
        self.flags = 0
        self.ttl = -1
        self.marks = 0
        self.started = 0
        self.isn = 0
        self.next_seq = 0
        self.position = 0
        self.highest_ack = 0
        self.has_ack = 0
        self.window = 0
        self.duplicate_run = 0
        self.duplicate_ts = 0
        self.retransmissions = 0
        self.fast_retransmissions = 0
        self.out_of_order = 0
        self.duplicate_acks = 0
        self.zero_windows = 0
        self.missed = 0
        self.last_ts = 0
        self.other = 0
        self.other_run = 0
        self.other_start = 0
        self.other_next = 0
        self.other_ts = 0
        self.fin = 0
        self.fin_end = 0
        self.fin_acked = 0
        self.sampling = 0
        self.sample_end = 0
        self.sample_ts = 0
        self.srtt = -1.0
        self.min_rtt = -1.0
        self.due = 0
        self.tallied = 0
