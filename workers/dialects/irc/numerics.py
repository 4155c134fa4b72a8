"""The numeric replies: number, name and the words at the end. Source: Modern IRC, "Numerics"."""

from typing import Final

_TABLE: Final = """
001 RPL_WELCOME
002 RPL_YOURHOST
003 RPL_CREATED
004 RPL_MYINFO
005 RPL_ISUPPORT are supported by this server
204 RPL_TRACEOPERATOR
205 RPL_TRACEUSER
219 RPL_ENDOFSTATS End of STATS report
221 RPL_UMODEIS
242 RPL_STATSUPTIME
243 RPL_STATSOLINE
251 RPL_LUSERCLIENT
252 RPL_LUSEROP operator(s) online
254 RPL_LUSERCHANNELS channels formed
255 RPL_LUSERME
256 RPL_ADMINME Administrative info
257 RPL_ADMINLOC1
258 RPL_ADMINLOC2
259 RPL_ADMINEMAIL
262 RPL_TRACEEND End of TRACE
263 RPL_TRYAGAIN
276 RPL_WHOISCERTFP
301 RPL_AWAY
302 RPL_USERHOST
303 RPL_ISON
305 RPL_UNAWAY You are no longer marked as being away
306 RPL_NOWAWAY You have been marked as being away
307 RPL_WHOISREGNICK has identified for this nick
311 RPL_WHOISUSER
312 RPL_WHOISSERVER
313 RPL_WHOISOPERATOR is an IRC operator
314 RPL_WHOWASUSER
315 RPL_ENDOFWHO End of WHO list
317 RPL_WHOISIDLE seconds idle, signon time
318 RPL_ENDOFWHOIS End of /WHOIS list
319 RPL_WHOISCHANNELS
320 RPL_WHOISSPECIAL
321 RPL_LISTSTART Users  Name
322 RPL_LIST
323 RPL_LISTEND End of /LIST
324 RPL_CHANNELMODEIS
330 RPL_WHOISACCOUNT is logged in as
331 RPL_NOTOPIC No topic is set
332 RPL_TOPIC
333 RPL_TOPICWHOTIME
335 RPL_WHOISBOT is a bot
351 RPL_VERSION
352 RPL_WHOREPLY
353 RPL_NAMREPLY
354 RPL_WHOSPCRPL
364 RPL_LINKS
365 RPL_ENDOFLINKS End of /LINKS list
366 RPL_ENDOFNAMES End of /NAMES list
368 RPL_ENDOFBANLIST End of channel ban list
369 RPL_ENDOFWHOWAS End of WHOWAS
371 RPL_INFO
372 RPL_MOTD
374 RPL_ENDOFINFO End of /INFO list
375 RPL_MOTDSTART
376 RPL_ENDOFMOTD End of /MOTD command
378 RPL_WHOISHOST
381 RPL_YOUREOPER You are now an IRC operator
391 RPL_TIME
400 ERR_UNKNOWNERROR
401 ERR_NOSUCHNICK No such nick/channel
402 ERR_NOSUCHSERVER No such server
403 ERR_NOSUCHCHANNEL No such channel
404 ERR_CANNOTSENDTOCHAN Cannot send to channel
405 ERR_TOOMANYCHANNELS You have joined too many channels
406 ERR_WASNOSUCHNICK There was no such nickname
407 ERR_TOOMANYTARGETS Too many targets
409 ERR_NOORIGIN No origin specified
410 ERR_INVALIDCAPCMD Invalid CAP command
411 ERR_NORECIPIENT No recipient given
412 ERR_NOTEXTTOSEND No text to send
417 ERR_INPUTTOOLONG Input line was too long
421 ERR_UNKNOWNCOMMAND Unknown command
422 ERR_NOMOTD MOTD File is missing
423 ERR_NOADMININFO No administrative info available
431 ERR_NONICKNAMEGIVEN No nickname given
432 ERR_ERRONEUSNICKNAME Erroneous nickname
433 ERR_NICKNAMEINUSE Nickname is already in use
442 ERR_NOTONCHANNEL You're not on that channel
445 ERR_SUMMONDISABLED SUMMON has been disabled
446 ERR_USERSDISABLED USERS has been disabled
451 ERR_NOTREGISTERED You have not registered
461 ERR_NEEDMOREPARAMS Not enough parameters
462 ERR_ALREADYREGISTERED You may not reregister
464 ERR_PASSWDMISMATCH Password incorrect
472 ERR_UNKNOWNMODE is unknown mode char to me
481 ERR_NOPRIVILEGES Permission Denied- You're not an IRC operator
482 ERR_CHANOPRIVSNEEDED You're not channel operator
491 ERR_NOOPERHOST No O-lines for your host
501 ERR_UMODEUNKNOWNFLAG Unknown MODE flag
502 ERR_USERSDONTMATCH Cant change mode for other users
524 ERR_HELPNOTFOUND Help not found
531 ERR_CANNOTSENDTOUSER
671 RPL_WHOISSECURE is using a secure connection
704 RPL_HELPSTART
705 RPL_HELPTXT
706 RPL_ENDOFHELP
730 RPL_MONONLINE
731 RPL_MONOFFLINE
732 RPL_MONLIST
733 RPL_ENDOFMONLIST End of MONITOR list
734 ERR_MONLISTFULL
900 RPL_LOGGEDIN
901 RPL_LOGGEDOUT You are now logged out
903 RPL_SASLSUCCESS SASL authentication successful
904 ERR_SASLFAIL
905 ERR_SASLTOOLONG SASL message too long
906 ERR_SASLABORTED SASL authentication aborted
908 RPL_SASLMECHS are available SASL mechanisms
"""

NAMES: Final[dict[str, str]] = {}  # by number
TEXTS: Final[dict[str, str]] = {}  # by number: the last parameter, where it is always the same
for _line in _TABLE.strip().split("\n"):
    _number, _name, *_text = _line.split(" ", 2)
    NAMES[_number] = _name
    if _text:
        TEXTS[_number] = _text[0]
