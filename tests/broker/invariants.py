"""What must hold of a broker's tables after every step."""

from collections import Counter

from broker.state import State
from protocol import addresses, names
from protocol.ipc import worker_of


def check(state: State) -> None:
    """Raise AssertionError where two tables of who is here do not agree."""
    people, rooms = state.people, state.rooms
    devices = list(people.by_device.values())
    persons = list(people.by_uid.values())
    assert all(people.by_device[device.uid] is device for device in devices)
    assert {id(device) for device in people.by_conn.values()} == {id(device) for device in devices}
    assert all(conn == device.conn for conn, device in people.by_conn.items())
    assert all(uid == device.uid for uid, device in people.by_device.items())
    assert all(uid == person.uid for uid, person in people.by_uid.items())
    assert {id(device.person) for device in devices} == {id(person) for person in persons}
    for person in persons:
        assert person.devices
        assert all(device.person is person for device in person.devices)
        assert len(set(map(id, person.devices))) == len(person.devices)
        assert people.by_key[names.fold_nick(person.nick)] is person
        assert people.skeletons[names.skeleton(person.nick)] is person
        if person.account is None:
            assert [device.uid for device in person.devices] == [person.uid], "a guest is one device"
        else:
            assert person.uid == state.accounts.uid(person.account)
        for name, room in person.rooms.items():
            assert rooms.by_name[name] is room
            assert person in room.members
        for device in person.devices:
            assert device.rooms.keys() <= person.rooms.keys()
            assert all(person.rooms[name] is room for name, room in device.rooms.items())
            assert device.entered <= set(device.rooms.values())
    assert len(people.by_key) == len(people.skeletons) == len(persons)
    for name, room in rooms.by_name.items():
        assert room.name == name
        assert room.members, f"nobody is in {name}"
        assert all(person.rooms.get(name) is room for person in room.members)
        hearing = Counter(worker_of(device.conn) for device in devices if device.connected and name in device.rooms)
        assert room.workers == hearing, f"{name}: {room.workers} but {dict(hearing)}"
    assert people.lingering == {device.uid: device for device in devices if not device.connected}
    assert people.per_address == Counter(addresses.counted(device.addr) for device in devices)
    watching = state.seating.presence.watching
    watched = {(key, device.uid) for key, found in watching._by_key.items() for device in found}
    assert watched == {(key, device.uid) for device in devices for key in device.watches}
