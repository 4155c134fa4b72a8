"""A whole client for moot in the standard library: python minimal_client.py [HOST [PORT [NICK]]]"""

import json
import secrets
import socket
import sys
import threading

host, port, nick = (sys.argv[1:] + ["localhost", "6668", "guest"][len(sys.argv) - 1 :])[:3]
sock = socket.create_connection((host, int(port)))
ROOM = "#lobby"


def send(**request: object) -> None:
    sock.sendall(json.dumps(request).encode() + b"\n")  # JSON escapes newlines, so one line is one request


def say_what_is_typed() -> None:
    for line in sys.stdin:
        send(op="send", cmid=secrets.token_urlsafe(16), to=ROOM, text=line.rstrip("\n"))
    send(op="quit")


send(op="hello", v=1, nick=nick)
for line in sock.makefile(encoding="utf-8"):
    event = json.loads(line)  # fields and events that we do not know are for other clients
    if event["ev"] == "welcome":
        send(op="join", room=ROOM)
    elif event["ev"] == "room":
        for msg in event.get("messages", []):
            print(f"{msg['from']}: {msg['text']}", flush=True)
        threading.Thread(target=say_what_is_typed, daemon=True).start()
    elif event["ev"] == "msg":
        print(f"{event['from']}: {event['text']}", flush=True)
    elif event["ev"] == "error":
        print(f"error {event['code']}: {event['text']}", file=sys.stderr)
