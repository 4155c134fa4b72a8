"""Complete what is typed: when the popup opens, and what a key does to it. Between composer, popup and tracker."""

from client.terminal.completion import Item, Offer, accept, marked, offer
from client.terminal.composer import Composer
from client.terminal.offers import sources
from client.terminal.popup import Popup
from client.terminal.tracker import Tracker


class Completer:
    """See the module."""

    def __init__(self, composer: Composer, popup: Popup, tracker: Tracker) -> None:
        self.composer = composer
        self.popup = popup
        self.tracker = tracker
        self._asked = False  # the popup was opened by Tab, so it stays for words without a mark

    def typed(self) -> None:
        """The text or the cursor changed: offer what fits now."""
        text, cursor = self.composer.text, self.composer.cursor_index
        found = self._found() if self._asked or marked(text[:cursor]) else None
        self._show(found if found is not None and (found.eager or self._asked) else None)

    def key(self, key: str) -> bool:
        """Use a key; False: it is not for us. Enter takes an item only when it was chosen by hand; else it sends."""
        if not self.popup.display:
            return key == "tab" and self._ask()
        chosen = self.popup.chosen
        if key in ("up", "down"):
            self.popup.move(-1 if key == "up" else 1)
        elif chosen is not None and (key == "tab" or (key == "enter" and self.popup.moved)):
            self.take(chosen)
        else:
            self.close()
            return key == "escape"
        return True

    def take(self, item: Item, found: Offer | None = None) -> None:
        """Put ``item`` in the word's place."""
        found = found or self.popup.offer
        if found is not None:
            text, cursor = accept(self.composer.text, self.composer.cursor_index, found, item)
            self.close()
            self.composer.put(text, cursor)

    def close(self) -> None:
        """Offer nothing."""
        self.popup.close()
        self._asked = False

    def _found(self) -> Offer | None:
        return offer(self.composer.text, self.composer.cursor_index, sources(self.tracker))

    def _ask(self) -> bool:
        """Tab: take the only completion there is, or show them."""
        found = self._found()
        if found is not None and len(found.items) == 1:
            self.take(found.items[0], found)
        else:
            self._asked = True
            self._show(found)
        return True

    def _show(self, found: Offer | None) -> None:
        if found is None or all(i.insert.strip() == self.composer.text[found.start :].strip() for i in found.items):
            self.close()
            return
        size = self.composer.screen.size
        above = size.height - self.composer.region.y + 1  # lines below the popup: input and status
        self.popup.styles.margin = (0, 0, max(1, above), 2)
        self.popup.open(found, size.width - 4, size.height - above)
