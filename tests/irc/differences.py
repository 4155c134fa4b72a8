"""What of tests/irc is not asked of other servers, and why. The specifications' text was looked at again for each.

Names are those of modules, tests, or tests with a parameter. Capabilities need no mention: a test that asks a server
for one that it does not claim is skipped.
"""

from typing import Final

PEERS: Final = ("ngircd", "inspircd")
PEERED: Final = frozenset(
    {
        "test_away",
        "test_cap",
        "test_channels",
        "test_invite",
        "test_join_refused",
        "test_kick",
        "test_labels",
        "test_message_tags",
        "test_messages",
        "test_mode",
        "test_monitor",
        "test_people",
        "test_prefixes",
        "test_registration",
        "test_secret",
        "test_server",
        "test_setname",
        "test_speaking",
        "test_statusmsg",
        "test_user_modes",
        "test_whowas",
    }
)
"""Modules whose tests are asked of them. The others are about what neither claims, accounts and history above all."""

CORE: Final = {"ngircd": PEERED, "inspircd": frozenset({"test_cap", "test_labels", "test_monitor", "test_setname"})}
"""Those asked in `make test`; InspIRCd takes a second for each client that comes in. `make conformance` asks all."""

NEEDS: Final[dict[str, str]] = {
    "test_a_bot_is_known_as_one": "BOT",
    "test_statusmsg": "STATUSMSG",
    "test_tags_that_cannot_be_told_have_their_numeric[@+a=b TAGMSG a,b,c,d,e-407]": "TARGMAX",
    "test_monitor": "MONITOR",
    "test_setname": "setname",
    "test_who_is_away_may_say_so_before_being_registered": "draft/pre-away",
    "test_the_list_may_be_asked_for_by_people": "ELIST",
    "test_the_list_may_be_asked_for_by_mask": "ELIST",
    "test_what_cannot_be_said_has_its_numeric[PRIVMSG a,b,c,d,e :hi-407]": "TARGMAX",
    "test_what_is_no_utf_8_is_refused_and_the_connection_stays": "UTF8ONLY",
    "test_a_long_message_becomes_several_of_whole_characters": "UTF8ONLY",
    "test_whox_has_the_fields_that_were_asked_for_in_their_order": "WHOX",
}
"""What the subject of a test is called in RPL_ISUPPORT or CAP LS; a server that does not claim it is not asked."""

OURS: Final[dict[str, str]] = dict.fromkeys(
    (
        "test_a_cow_arrives_as_lines",
        "test_a_reaction_to_nothing_we_have_is_told_and_not_kept",
        "test_formatting_is_taken_off_and_the_echo_shows_it",
        "test_other_ctcp_is_refused_politely",
        "test_what_005_says_of_this_server",
        "test_what_is_changed_and_changed_back_is_not_told",
    ),
    "what is tested here no text asks for",
)
"""What no specification asks for."""

_TOO_FEW: Final = "a general check for too few parameters (461) comes before the command's own numeric; the text has it"
_NOTICE: Final = "answers a NOTICE with errors, which RFC 2812 and Modern IRC both forbid"
_HELP: Final = "its help is no part of the program, or comes as notices; the numerics are newer than that"
_SHORT: Final = "remembers nobody who stayed for less than 30 seconds"
_OPER: Final = "refuses +o with 481; that it is ignored is a SHOULD"
_MODE_NOWHERE: Final = "a channel that does not exist is 401 for MODE; the text has 403"
_NOWHERE: Final = "says nothing when it knows no such server; the text has 402"

DIFFERS: Final[dict[str, dict[str, str]]] = {
    "ngircd": {
        "test_names_tell_that_a_channel_is_secret": "writes = for every channel",
        "test_a_count_limits_the_answer": _SHORT,
        "test_who_is_gone_is_known_for_a_while": _SHORT,
        "test_nobody_makes_oneself_operator_or_registered": _OPER,
        "test_lusers_counts": "counts services instead of the invisible, as RFC 2812 has it",
        "test_stats_ends_whatever_was_asked": "ends an empty list when it is not asked for one",
        "test_trace_ends": "shows operators alone what is traced",
        "test_the_server_tells_of_itself[ADMIN-numbers5]": "has empty lines where nobody is named",
        "test_modes_are_shown_to_who_asks": _MODE_NOWHERE,
        "test_who_is_not_there_changes_nothing": _MODE_NOWHERE,
        "test_a_channel_for_accounts_takes_no_guest": "says 471, which is for full channels",
        "test_what_cannot_be_said_has_its_numeric[PRIVMSG ann :-412]": "passes an empty text on; RFC 2812 has 412",
        "test_a_line_over_the_limit_is_refused": "closes the connection; 417 is newer, and tags are not claimed",
        "test_the_server_tells_of_itself[HELP-numbers4]": _HELP,
        "test_the_server_tells_of_itself[HELP frobnicate-numbers10]": _HELP,
        "test_who_is_not_registered_may_do_little[NONSENSE]": "says nothing to unknown commands before registration",
        "test_a_nick_is_needed": _TOO_FEW,
        "test_quit_is_acknowledged_and_heard_once_with_its_reason": "puts the reason in quotes; `Quit: ` is a SHOULD",
    },
    "inspircd": {
        "test_a_notice_that_is_not_passed_on_is_answered_with_no_error": _NOTICE,
        "test_a_tagmsg_without_a_tag_of_the_clients_is_nothing": "answers 412; the text removes the tag and is silent",
        "test_other_tags_of_a_client_are_removed": "passes on a tag with nothing behind the vendor's slash",
        "test_a_role_needs_somebody_who_is_there": "says nothing about a role for who is elsewhere; the text has 441",
        "test_a_key_without_a_word_and_a_limit_without_a_number_are_no_change": "takes a limit that is no number for 0",
        "test_an_invitation_needs_somebody_and_somewhere": "takes INVITE with one parameter for a question",
        "test_who_is_gone_is_known_for_a_while": "keeps one spelling of a nick for all who had it",
        "test_who_was_never_here_is_said_so": "takes one nick, as Modern IRC has it; RFC 2812 has lists",
        "test_nobody_makes_oneself_operator_or_registered": _OPER,
        "test_the_list_has_a_limit": "has another limit",
        "test_who_is_too_many_is_told_in_whole_lines": "has another limit",
        "test_masks_are_nobodys_nick": "says nothing to a subcommand that is none; the text is silent",
        "test_a_name_that_cannot_be_is_refused": _TOO_FEW,
        "test_links_lists_the_one_server": "minds no mask when it is alone",
        "test_stats_ends_whatever_was_asked": "has words of its own for how long it is up",
        "test_trace_ends": "knows no TRACE",
        "test_what_is_not_for_everybody_has_its_numeric[TRACE nosuch.example-402]": "knows no TRACE",
        "test_what_is_not_for_everybody_has_its_numeric[STATS u nosuch.example-402]": _NOWHERE,
        "test_what_is_not_for_everybody_has_its_numeric[ADMIN nosuch.example-402]": _NOWHERE,
        "test_the_server_tells_of_itself[TIME nosuch.example-numbers8]": _NOWHERE,
        "test_the_server_tells_of_itself[MOTD nosuch.example-numbers9]": _NOWHERE,
        "test_join_0_leaves_all": "knows no JOIN 0, and says that 0 is no channel",
        "test_what_is_asked_right_behind_a_join_is_about_that_channel": "knows no JOIN 0",
        "test_what_has_no_answer_is_acknowledged": _NOTICE,
        "test_what_cannot_be_said_has_its_numeric[PRIVMSG-411]": _TOO_FEW,
        "test_what_cannot_be_said_has_its_numeric[PRIVMSG ann-412]": _TOO_FEW,
        "test_a_notice_is_answered_with_no_error": _NOTICE,
        "test_a_line_over_the_limit_is_refused": "cuts a text that is too long, as RFC 1459 servers did; 417 is newer",
        "test_the_server_tells_of_itself[HELP-numbers4]": _HELP,
        "test_the_server_tells_of_itself[HELP frobnicate-numbers10]": _HELP,
        "test_the_server_tells_of_itself[ADMIN-numbers5]": "does not start without somebody to name",
        "test_everything_may_come_in_one_piece": "refuses (451) what comes before it has finished a registration",
        "test_who_is_not_registered_may_do_little[NONSENSE]": "says nothing to unknown commands before registration",
        "test_a_nick_is_needed": _TOO_FEW,
    },
}
"""Where a server is not as the text has it."""
