"""AMQP 0-9-1 and 1.0."""
