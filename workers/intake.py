"""What a worker checks and cleans of a request before the broker sees it. Pure."""

from typing import Final

import msgspec

from funcmds.emojis import emojize
from protocol import accounts, moderation, native, tags
from protocol.metadata import MAX_KEY, MAX_VALUE, MetaGet, MetaSet, is_key, is_value
from protocol.native import MAX_NAME, MAX_REMARK, Request
from protocol.settings import Settings
from protocol.text import clean

MAX_AWAY: Final = 200  # characters
MAX_REACTION: Final = 100  # characters; one emoji takes up to a dozen, and some react in words
_NAMED: Final = ("nick", "room", "to", "name", "account", "target")  # fields with names of people and rooms
_ABOUT_EMOJI: Final = ("/emoji", "/emogi", "emoji", "emogi")  # what follows is a name to look for


def prepare(request: Request, settings: Settings) -> Request | native.Error:
    """Return ``request`` with its text cleaned and its emoji in place, or the error that answers it.

    Cleaning may lengthen a text (NFC), so what has a limit in its type is cut to it here.
    """
    if any(len(getattr(request, field, None) or "") > MAX_NAME for field in _NAMED):
        text = f"a name may have {MAX_NAME} characters at the very most, and this has more"
        return native.Error(id=request.id, code="too-long", text=text)
    match request:
        case native.Send():
            return _prepared_send(request, settings)
        case native.Fun():
            line = clean(request.line, newlines=False)
            if not line.lower().startswith(_ABOUT_EMOJI):
                line = emojize(line)
            if len(line) > settings.fun_input:
                return _too_long(request, len(line), settings.fun_input, "a fun command")
            return msgspec.structs.replace(request, line=line)
        case native.Topic():
            text = emojize(clean(request.text, newlines=False))
            if len(text) > MAX_REMARK:
                return _too_long(request, len(text), MAX_REMARK, "a topic")
            return msgspec.structs.replace(request, text=text)
        case native.Away(text=str(text)):
            return msgspec.structs.replace(request, text=_away(text))
        case native.Leave() | native.Quit():
            return msgspec.structs.replace(request, reason=clean(request.reason, newlines=False)[:MAX_REMARK])
        case native.Redact():
            return msgspec.structs.replace(request, reason=clean(request.reason, newlines=False)[:MAX_REMARK])
        case native.Tag() if (wrong := tags.fault(request.tags)) is not None:
            return native.Error(id=request.id, code="bad-request", text=wrong)
        case native.Hello():
            if request.color is not None and not native.is_color(request.color):
                request = msgspec.structs.replace(request, color=None)  # no reason to refuse somebody at the door
            name = clean(request.name or "", newlines=False)[: native.MAX_PERSON] or None
            away = None if request.away is None else _away(request.away)
            client = clean(request.client, newlines=False)[:64]
            return msgspec.structs.replace(request, client=client, name=name, away=away)
        case native.Rename(name=str(name)):
            return msgspec.structs.replace(request, name=clean(name, newlines=False)[: native.MAX_PERSON] or None)
        case moderation.Mode():
            return msgspec.structs.replace(request, changes=[_change(one) for one in request.changes])
        case moderation.Kick() | moderation.Retitle():
            return msgspec.structs.replace(request, reason=clean(request.reason, newlines=False)[:MAX_REMARK])
        case moderation.Ban():
            reason = clean(request.reason, newlines=False)[:MAX_REMARK]
            return msgspec.structs.replace(request, reason=reason, mask=_mask(request.mask))
        case moderation.Unban():
            return msgspec.structs.replace(request, mask=_mask(request.mask))
        case moderation.Announce():
            text = clean(request.text)[: moderation.MAX_ANNOUNCED]
            if not text:
                return native.Error(
                    id=request.id, code="bad-request", text="there is nothing in this that can be shown"
                )
            return msgspec.structs.replace(request, text=text)
        case accounts.Key():
            add, remove = (
                None if line is None else clean(line, newlines=False) for line in (request.add, request.remove)
            )
            if max(len(add or ""), len(remove or "")) > accounts.MAX_KEY_LINE:
                return _too_long(request, max(len(add or ""), len(remove or "")), accounts.MAX_KEY_LINE, "a key")
            return msgspec.structs.replace(request, add=add, remove=remove)
        case native.Watch() if any(len(nick) > MAX_NAME for nick in (*request.add, *request.remove)):
            text = f"a name may have {MAX_NAME} characters at the very most, and one of these has more"
            return native.Error(id=request.id, code="too-long", text=text)
        case MetaGet(keys=keys) if not all(map(is_key, keys)):
            return _bad_metadata(request)
        case MetaSet(key=key, value=value):
            value = None if value is None else clean(value, newlines=False)
            if not is_key(key) or not (value is None or is_value(value)):
                return _bad_metadata(request)
            return msgspec.structs.replace(request, value=value)
        case native.Color(color=str(color)) if not native.is_color(color):
            text = "a colour is written #RRGGBB, such as #D333FF; null takes the one made from your nick"
            return native.Error(id=request.id, code="bad-request", text=text)
        case _:
            return request


def exposed(request: Request) -> native.Error | None:
    """Return the answer to a request with a secret in it that came where others on the way can read it."""
    if not accounts.tells_secret(request):
        return None
    text = (
        "passwords and tokens are taken through TLS only, and this connection has none; connect with TLS, on this very"
        " port. Whoever was on the way may have read this one: change it"
    )
    return native.Error(id=request.id, code="insecure", text=text)


def _bad_metadata(request: Request) -> native.Error:
    text = (
        f"a key is small letters, digits and _ . / -, at most {MAX_KEY}; a value is text of at most {MAX_VALUE} bytes"
    )
    return native.Error(id=request.id, code="bad-metadata", text=text)


def _change(change: moderation.Change) -> moderation.Change:
    """Return ``change`` with what people wrote cleaned."""
    arg = None if change.arg is None else clean(change.arg, newlines=False)[: moderation.MAX_MODE_ARG]
    return msgspec.structs.replace(change, mode=clean(change.mode, newlines=False)[: moderation.MAX_MODE], arg=arg)


def _mask(text: str) -> str:
    return clean(text, newlines=False)[: moderation.MAX_MODE_ARG] or "!!"  # which is no mask, as nothing is none


def _away(text: str) -> str:
    return clean(text, newlines=False)[:MAX_AWAY]


def _prepared_send(request: native.Send, settings: Settings) -> Request | native.Error:
    text = emojize(clean(request.text, newlines=request.kind != "react"))
    if request.kind == "react" and len(text) > MAX_REACTION:
        return _too_long(request, len(text), MAX_REACTION, "a reaction")
    if request.tags and (wrong := tags.fault(request.tags)) is not None:
        return native.Error(id=request.id, code="bad-request", text=wrong)
    if not text:
        return native.Error(
            id=request.id, code="bad-request", text="there is nothing in this message that can be shown"
        )
    if len(text) > settings.max_text:
        return _too_long(request, len(text), settings.max_text, "a message")
    return request if text is request.text else msgspec.structs.replace(request, text=text)


def _too_long(request: Request, got: int, limit: int, what: str) -> native.Error:
    text = f"{what} may have {limit:,} characters and this has {got:,}; send it in parts"
    return native.Error(id=request.id, code="too-long", text=text)
