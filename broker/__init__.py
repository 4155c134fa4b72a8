"""The broker: the only owner of rooms and people, the only writer of the log. It never touches a client's socket."""
