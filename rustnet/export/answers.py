"""Records in the answers of DNS messages, as far as a session has them."""

from rustnet.export.timeline import Fields

ANSWER_COLUMNS = ("query", "answers", "answer_types", "answer_names", "answer_count", "cnames", "ttl")


def answer_records(row: Fields) -> list[Fields]:
    """Records of the answer section. A name or a TTL that the session has not for this record is left out."""
    count = row["answer_count"] or 0
    data = (row["answers"] or [])[:count]
    kinds = row["answer_types"] or []
    owners = row["answer_names"]
    if owners is None and not row["cnames"] and row["query"] is not None:
        owners = [row["query"]] * len(data)
    answers = []
    for place, text in enumerate(data):
        answer: Fields = {}
        if owners is not None and place < len(owners) and owners[place]:
            answer["rrname"] = owners[place]
        if place < len(kinds):
            answer["rrtype"] = kinds[place]
        if count == 1 and row["ttl"] is not None:  # the smallest of one
            answer["ttl"] = row["ttl"]
        if text:
            answer["rdata"] = text
        answers.append(answer)
    return answers
