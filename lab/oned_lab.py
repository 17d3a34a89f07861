"""How tests control the stand-in for oned, beside its interface: see POST /lab in oned.py."""

import json
import re
import threading

import oned_conf as conf

TROUBLES = "fail", "slow", "hang", "garbage", "status", "edit", "drop"
SECRET = re.compile(  # NAME = value or <NAME>value</NAME>, in a template
    r'(\w*(?:PASS|TOKEN|SECRET|KEY)\w*(?:\s*=\s*|>(?:<!\[CDATA\[)?))("(?:\\"|[^"])*"|[^\s<,\]]+)', re.IGNORECASE
)


class Lab:
    """The daemon that is running, its failures, and what it was asked."""

    def __init__(self, fresh):
        """fresh makes a new Oned."""
        self.fresh, self.oned = fresh, fresh()
        self.requests, self.before = [], {}
        self.trouble, self.only, self.left = (None, None), None, -1
        self.changed = threading.Condition()

    def command(self, words):
        """Do what a test asks for; the answer is for it."""
        method, answer = words.get("method"), {}
        if "reset" in words:
            self.oned.pools["DATASTORE"].clear()  # ends what measures them
            self.oned, self.requests, self.before = self.fresh(), [], {}
            words = {"behave": True, **words}
        if "drivers" in words:
            self.oned.drivers = words["drivers"]
        if "encrypted" in words:
            self.oned.encrypted = words["encrypted"]
        for kind, values in words.get("put", {}).items():
            with self.oned.lock:
                answer["id"] = getattr(self.oned, "put_" + kind)(**values)
        if "before" in words:
            self.before[method] = words["before"]
        for kind in ("behave", *TROUBLES):
            if kind in words:
                with self.changed:
                    self.trouble = (kind, words[kind]) if words[kind] and kind != "behave" else (None, None)
                    self.only, self.left = method, words.get("times", -1)
                    self.changed.notify_all()
        if "log" in words:
            answer["log"], self.requests = self.requests, []
        return answer

    def trouble_for(self, method):
        """What goes wrong with this request, as (kind, value)."""
        with self.changed:
            if self.left == 0 or self.only not in (None, method):
                return None, None
            self.left -= 1
            return self.trouble

    def wait_for_change(self):
        with self.changed:
            trouble = self.trouble
            self.changed.wait_for(lambda: self.trouble is not trouble)

    def intervene(self, method):
        """Make the calls that were ordered for just before this method."""
        for other, *arguments in self.before.pop(method, ()):
            self.oned.run(self.oned.admin, other, arguments)

    def note(self, method, caller, arguments, code):
        """Keep a request and say it in a line, with what is secret shown as such."""
        letters = conf.METHODS.get(method[4:], "").replace("?", "")  # of a method that is not known, nothing is shown
        shown = [
            "***" if letter.isupper() else SECRET.sub(r"\1***", value) if isinstance(value, str) else value
            for letter, value in zip(letters, arguments)
        ]
        user = caller.user.name if caller else None
        self.requests.append({"method": method, "user": user, "arguments": shown, "code": code})
        return f"{user or '-'} {method} {json.dumps(shown)[:300]} {code}"
