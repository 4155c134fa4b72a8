"""What people ask for without changing anything: who is here, which rooms there are, what was said. Pure."""

from collections.abc import Collection
from typing import Final

from broker import modlog, pages, rights
from broker.log import Log, inbox_name
from broker.pages import Page
from broker.people import People, Person
from broker.rooms import Room, Rooms
from protocol import names, native

PEOPLE_LISTED: Final = 1000
PEOPLE_RESYNCED: Final = 200  # at least, of a room's members told to each of them unasked
CARDS_RESYNCED: Final = 1_000_000  # of all members of a room told so to all of them, about: each is some 25 bytes
ROOMS_LISTED: Final = 500
TOPIC_LISTED: Final = 100  # characters of a topic in the list of rooms
RESUME_BYTES: Final = 16 * 1024  # in a page for one who catches up: others wait for each, so it is made in 1 ms or so
RESUME_PAGE: Final = 100  # messages in it


def who(people: People, rooms: Rooms, asker: Person, request: native.Who) -> native.People:
    """Raises `Refusal`, `names.BadName`, as `Rooms.of`."""
    if request.room is None:
        return listed(people.by_uid.values(), None, request.id)
    room = rooms.of(asker, request.room)
    return listed(room.members, room, request.id)


def listed(
    there: Collection[Person], room: Room | None, id_: native.Id = None, limit: int = PEOPLE_LISTED
) -> native.People:
    """Return the first ``limit`` of ``there`` by nick, as they are seen in ``room``."""
    first = sorted(there, key=lambda person: person.nick.lower())[:limit]
    cards = [person.card if room is None else person.card_in(room) for person in first]
    return native.People(id=id_, people=cards, count=len(there), room=None if room is None else room.name)


def resync(room: Room) -> native.People:
    """Return who is in ``room``, for all its members; the more they are, the fewer of them."""
    limit = max(PEOPLE_RESYNCED, CARDS_RESYNCED // max(1, len(room.members)))
    return listed(room.members, room, limit=min(limit, PEOPLE_LISTED))


def whois(people: People, asker: Person, request: native.Whois, now_ms: int) -> native.Profile:
    """Raises `Refusal`, `names.BadName`, as `People.called`."""
    other = people.called(request.nick)
    device = other.newest
    mine = other is asker
    shared = sorted(other.rooms.keys() & asker.rooms.keys())
    return native.Profile(
        id=request.id,
        nick=other.nick,
        rooms=shared,
        since=device.since,
        idle=max(0, now_ms - (other.spoke or device.since)) // 1000,
        client=device.client,
        dialect=device.dialect,
        color=other.color,
        away=other.away,
        name=other.name,
        account=other.account,
        roles={name: held for name in shared if (held := other.rooms[name].roles_of(other))},
        bot=other.bot,
        admin=other.admin,
        secure=all(device.secure for device in other.devices),
        address=device.addr if asker.admin else None,
        certfp=(device.certfp or None) if mine or asker.admin else None,
    )


def room_list(log: Log, rooms: Rooms, asker: Person, request: native.Rooms) -> native.RoomList:
    """Fullest first; rooms that have messages are there when nobody is in them, secret ones for their members alone."""
    topics, used = dict(log.names()), rooms.by_name
    people = {
        name: len(used[name].members) if name in used else 0
        for name in used.keys() | topics.keys()
        if name in asker.rooms or asker.admin or not rooms.policies.is_secret(name)
    }
    fullest = sorted(people, key=lambda name: (-people[name], name))[:ROOMS_LISTED]
    lines = [native.RoomLine(name, people[name], clipped(topics.get(name, ""), TOPIC_LISTED)) for name in fullest]
    return native.RoomList(id=request.id, rooms=lines, count=len(people))


def history(log: Log, rooms: Rooms, asker: Person, request: native.History, max_bytes: int) -> native.HistoryPage:
    """``max_bytes``: of a page read backwards, about. Raises `Refusal`, `names.BadName`, `LogError`."""
    if request.room == native.INBOX:
        name = inbox_name(asker.uid)
    elif request.room.startswith(modlog.MARK):
        name = modlog_of(rooms, asker, request.room.removeprefix(modlog.MARK))
    else:
        name = rooms.of(asker, request.room).name
    after = request.after if request.since is None else log.seq_since(name, request.since)
    if after is not None:
        page = following(log, name, after, request.limit)
        more = 0 < page.end < log.last(name)
    else:
        found = (
            log.newest(name, request.limit)
            if request.before is None
            else log.before(name, request.before, request.limit)
        )
        page = pages.newest(found, max_bytes)
        more = page.begin > 1
    shown = request.room if request.room == native.INBOX else name
    return native.HistoryPage(id=request.id, room=shown, messages=page.messages, more=more, gaps=page.gaps)


def modlog_of(rooms: Rooms, asker: Person, room: str) -> str:
    """Return the log's name of what was done in ``room``, for somebody who may read it. Raises `Refusal`, `BadName`."""
    name = names.room(room)
    there = rooms.by_name.get(name)
    kept = there.policy if there is not None else rooms.policies.load(name)
    if there is not None:
        held = there.roles_of(asker)
    else:
        held = list(kept.held_by(asker.account)) if asker.account is not None else []
    rights.check(rights.rank_of(held, admin=asker.admin), "modlog", owned=kept.owner is not None)
    return modlog.name_of(name)


def following(log: Log, room: str, seq: int, limit: int) -> Page:
    """Return a short page of what comes after ``seq``. Raises `LogError`."""
    return pages.oldest(log.after(room, seq, min(limit, RESUME_PAGE)), RESUME_BYTES)


def clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
