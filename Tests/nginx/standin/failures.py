"""Scripted misbehaviour. A rule says which calls it means and what happens to them; the first rule that fits is followed.

Which calls (all optional; together they narrow):
  on      "api" (default), "token" or "all"
  path    regular expression, searched in path?query
  nth     k or [k, ...]: the k-th of the calls that fit (from 1)
  skip    leave the first n of them alone
  times   then only this many; without it every one

What happens, by `behaviour`:
  status        answer `status` (default 500) in the Web API's error shape; `message`, `retry_after` (seconds; 0 is sent as 0;
                not given: no header), `reason` ("QUOTA_EXCEEDED"), `headers` {name: value}, `body` (text sent as it is)
  delay         answer as usual after `ms`
  hang          never answer, until the client leaves or the rules are reset
  reset         TCP reset instead of an answer
  close         close instead of an answer
  half_head     a response head cut in the middle, then close
  garbage       bytes that are not HTTP, then close
  truncate      Content-Length says more than comes, then close
  chunked       answer as usual, in chunks
  chunked_cut   chunks without the last one, then close
  not_json      200 with HTML (Content-Type says text/html)
  bad_json      200 with JSON cut short, its length right
  gzip_cut      200 with the usual body packed and cut short, its length right
  empty         200 with an empty body
  huge          200 with a JSON body of `bytes` (default 9 MiB)
  content_type  answer as usual, labelled `type` (default text/plain)
  drip          answer as usual in pieces of `bytes` (default 64) every `ms` (default 50)
  redirect      302 to `location`
  close_after   answer as usual, then close the kept connection without having said so, after `ms` (default 0)
"""
import re
import threading

BEHAVIOURS = {"status", "delay", "hang", "reset", "close", "half_head", "garbage", "truncate", "chunked", "chunked_cut", "not_json",
              "bad_json", "gzip_cut", "empty", "huge", "content_type", "drip", "redirect", "close_after"}


class Rule:
    def __init__(self, given):
        self.given = given
        self.behaviour = given["behaviour"]
        if self.behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {self.behaviour}")
        self.path = re.compile(given.get("path", ""))
        nth = given.get("nth")
        self.nth = None if nth is None else {nth} if isinstance(nth, int) else set(nth)
        self.seen = 0

    def fits(self, on, target):
        """Whether this call is meant; counts it."""
        if self.given.get("on", "api") not in (on, "all") or not self.path.search(target):
            return False
        self.seen += 1
        if self.nth is not None:
            return self.seen in self.nth
        skip = self.given.get("skip", 0)
        return self.seen > skip and ("times" not in self.given or self.seen <= skip + self.given["times"])


class Failures:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []
        self.released = threading.Event()  # set when hanging calls may end

    def follow(self, given):
        """Replaces the rules; hanging calls of the old ones end."""
        rules = [Rule(rule) for rule in given]
        with self.lock:
            self.rules = rules
            self.released.set()
            self.released = threading.Event()

    def choose(self, on, target):
        """The rule for this call, as given; {} when it is to be answered as usual."""
        with self.lock:
            chosen = {}
            for rule in self.rules:
                if rule.fits(on, target) and not chosen:
                    chosen = rule.given
            return chosen
