#!/usr/bin/env python3
"""Enqueues three jobs. Usage: enqueue.py AMQP_URI [EXCHANGE]"""
import json
import sys

import pika

uri = sys.argv[1]
exchange = sys.argv[2] if len(sys.argv) > 2 else "jobs.submit"

with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # basic_publish returns when the broker has the message, and raises if it does not take it
    for user in ("ann", "bob", "eve"):
        channel.basic_publish(
            exchange,
            routing_key="mail.welcome",  # the job type
            body=json.dumps({"to": f"{user}@example.org"}),
            mandatory=True,  # raise if the exchange leads nowhere
            properties=pika.BasicProperties(
                message_id=f"welcome-{user}",  # published again, it is still one job
                delivery_mode=2,  # survives a restart of the broker
                priority=20,
                headers={"x-jobs-queue": "mail", "x-jobs-delay": "0.5"},  # pika sends no fractions, so as a text
            ),
        )
