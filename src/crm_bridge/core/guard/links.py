"""Links in a draft that nobody of the company gave.

A link is fine when its host is allow-listed or when exactly this link stands in a source or in an agent's message:
the same page with something added to its query can carry data away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_bridge.core.guard.grounds import Grounds, Remark, Said
from crm_bridge.core.guard.linkforms import comparable, find_links, host_of, is_under
from crm_bridge.core.policy import GuardPolicy


def check_links(reply: Said, grounds: Grounds, policy: GuardPolicy) -> Iterator[Remark]:
    """Links and bare domains that are in no source and on no list."""
    links = _links(reply.shown)
    if not links:
        return
    given = _links(grounds.company.shown)
    known = {comparable(link) for link in given}
    hosts = {host_of(link) for link in given} - {""}
    listed = frozenset(host.lower() for host in policy.allowed_link_hosts)
    for link in links:
        if comparable(link) not in known and not is_under(host_of(link), listed) and not _is_front_page(link, hosts):
            yield Remark("link_not_in_sources", "this link is in no source and its host is not on the list", link)


def _links(shown: str) -> dict[str, None]:
    return dict.fromkeys(shown[start:end] for start, end in find_links(shown))


def _is_front_page(link: str, hosts: set[str]) -> bool:
    """Just the name of a host the company links to."""
    return host_of(link) in hosts and not re.search(r"[/?#:]", comparable(link))
