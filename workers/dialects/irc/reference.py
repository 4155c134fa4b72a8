"""docs/irc.md, made from the tables: `python -m workers.dialects.irc.reference > docs/irc.md`."""

from typing import Final

from protocol import moderation
from protocol.settings import DEFAULTS
from workers.dialects.irc import Irc, mapping
from workers.dialects.irc.caps import CAPS
from workers.dialects.irc.numerics import NAMES, TEXTS
from workers.dialects.irc.server import isupport
from workers.dialects.irc.table import COMMANDS

_LATER: Final = {  # what IRC has and this server has not, by what it waits for
    "later": "KNOCK",
}
_PARAMETERS: Final[dict[str, str]] = {  # of modes; the others are about a nick
    **dict.fromkeys(moderation.LISTED, "a mask"),
    "mute": f"`{mapping.MUTE}` and a mask",
    "filter": "a word",
    "key": "the key",
    "limit": "members at most",
    "slow": "seconds between two messages of one person",
    "throttle": "`5:10`: so many joins in so many seconds",
}
_INTRO: Final = """\
# IRC

Made from the tables in `workers/dialects/irc/`:
`python -m workers.dialects.irc.reference > docs/irc.md` writes it anew.

Any IRC client connects to moot's one port: `/connect 192.168.1.5 6668`. Rooms are channels, and everybody is in the
same ones, with the same history, whatever they came with. It follows the [Modern IRC Client
Protocol](https://modern.ircdocs.horse/) and the [IRCv3 specifications](https://ircv3.net/irc/).

- **Who one is.** `nick!~u@server` for guests, `nick!~u@account.user.server` for those who are logged in: nothing in it
  tells where somebody is, and what a client says in USER is shown as its real name alone. Nicks and channels take
  letters of any script; two nicks that look the same are one (433).
- **Accounts** are the same ones that all other clients use. Log in with SASL (PLAIN, SCRAM-SHA-256, EXTERNAL with a
  certificate that `NS CERT ADD` has added), with the password `account:password` (PASS), or with
  `/msg NickServ IDENTIFY account password`; make one with `REGISTER` or `/msg NickServ REGISTER password`. Passwords
  are taken through TLS or from this machine only, so PLAIN and REGISTER are not even offered elsewhere. What is said to
  NickServ is no message: it is kept and shown nowhere. A nick that belongs to an account is its owner's (433, and how
  to log in). All connections of an account are one person with one nick, in the same channels.
- **Channels.** Who makes one is its op (`@`); `/msg ChanServ REGISTER #channel` makes it one's own (`~`), and roles
  and modes are kept when all have gone. Who was given a role has it again on coming back, told by a MODE of the
  server. What MODE asks for at once is done at once, or the changes that can be are made and the others answered. A
  ban of a nick is one of its account, or of nick and address, which nobody is shown; `account:name`, addresses and
  ranges (`192.0.2.0/24`) are masks too, and a ban `m:mask` lets somebody in but not speak. The host that all guests
  have is no mask. Names of channels are in lower case, so RENAME cannot change the case alone. `/msg ChanServ HELP`
  lists what else there is.
- **Operators** are the server's admins: whoever logs in to an account that is one has `+o`, and `OPER account password`
  is a way to log in. They KILL and hear each other's WALLOPS (`+w`). What belongs to the machine the server runs on
  (REHASH, RESTART, DIE) is done there.
- **Modes of users**: `B` a bot, `i` kept but without effect, for who is here is no secret, `o` an admin, `r` logged in,
  `w` hears WALLOPS.
- **Silence** is answered with `PING` (`irc_ping`), and a silence after that with the end (`irc_ping_timeout`).
- **What one says** is on disk before anybody hears it, and `PING` is answered after all that came before it. Text is
  plain: formatting codes are taken away. A message of several lines, or too long for one, comes as one batch to clients
  with `draft/multiline`, else as several lines, of which the first has the `msgid` and the tags. How its sender had cut
  it is not kept. Blank lines are left out there, but for pictures. `ACTION` is passed on, other CTCP is refused.
- **Tags** of clients go with a message as they are, and stay with it. A `TAGMSG` with a reaction to a message that is
  there is kept as a message is; any other is told to who is there and forgotten. `msgid` is the same for everybody who
  has a message, also for both sides of a private one. When a channel gets another name, so do the messages in it: what
  was said before has other `msgid`s from then on.
- **Taken back**: `REDACT` works on what one said oneself, and for ops on what others did. Histories leave the message
  out; clients without the capability see nothing.
- **For some**: what is sent to `@#channel` goes to the members with that prefix or a higher one, and to the sender. It
  is kept with private messages, so it is not in the channel's history.
- **What was said** can be asked for (`CHATHISTORY`), with `draft/event-playback` also topics, reactions and REDACTs.
  Who came and went is not in it: that is kept nowhere, for it is worth nothing after the server's end and would cost a
  write to the disk each time. What was earlier: to clients with `batch` and `server-time`, but without
  `draft/chathistory`, the latest come in a batch on joining.
- **For fun**: `!cowsay hi` or `//cowsay hi` in a channel. A cow arrives as lines, a train as its still.
- **Errors** that no numeric has come as 400, or as `FAIL` to clients with `standard-replies`; what comes too fast is
  answered with 263. Text that is no UTF-8 is refused (`FAIL … INVALID_UTF8`), a line over 512 bytes, or with tags over
  4,096, with 417. None of these ends the connection.
- A client that reads too slowly is closed, for IRC has no way to go on where it was.
- When the broker was killed and a new one has taken over, nobody leaves a channel; somebody who came or went in that
  moment may be missing from a client's list of names until it asks (`NAMES`).
"""


def markdown() -> str:
    """Return docs/irc.md."""
    lines = [_INTRO, "## Commands", "", "| command | before registration | what it does |", "|---|---|---|"]
    for command in COMMANDS:
        lines.append(f"| `{_cell(command.form)}` | {'yes' if command.early else ''} | {command.help} |")
    lines += ["", "## Capabilities", "", "| capability | what it changes |", "|---|---|"]
    lines += [f"| `{cap.name}` | {cap.help} |" for cap in CAPS]
    lines += [
        "",
        "## Modes",
        "",
        "| letter | parameter | moot's word for it |",
        "|---|---|---|",
        f"| `{mapping.ALWAYS}` | | always on: who is not in a room cannot speak there |",
    ]
    lines += [
        f"| `{letter}` | {'' if mode in mapping.FLAG_LETTERS else _PARAMETERS.get(mode, 'a nick')} | `{mode}` |"
        for letter, mode in sorted(mapping.MODES, key=lambda pair: pair[0].lower())
    ]
    lines += [
        "",
        f"The signs of members are `{mapping.PREFIX}`, owner to voice.",
        "What each role may do is in [rooms.md](rooms.md).",
    ]
    lines += ["", "## ISUPPORT", "", *(f"- `{token}`" for token in isupport(Irc(DEFAULTS, str)))]
    lines += ["", "## Numerics", "", "| number | name | words |", "|---|---|---|"]
    lines += [f"| {number} | `{name}` | {TEXTS.get(number, '')} |" for number, name in NAMES.items()]
    lines += ["", "## Not there yet", "", "| waits for | what |", "|---|---|"]
    lines += [f"| {what} | {which} |" for what, which in _LATER.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
