"""What an engine would do with the Dockerfile's run stage, without one: a Debian made with debootstrap, the stage's own commands run in it,
and the services' processes started there as the users, with the volumes and with the read-only root that Compose gives them."""

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path


def why_not():
    """Why it cannot be done here; None when it can."""
    if os.geteuid() != 0:
        return "needs root, to change the root folder"
    for tool in ("debootstrap", "unshare", "nsenter", "setpriv"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return "this root may not mount"
    return None


def mirror(suite):
    """Where this machine's own packages of that Debian come from, else where everybody's do."""
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {suite}", "Component: main"],
                           capture_output=True, text=True)
    return next(iter(asked.stdout.split()), "http://deb.debian.org/debian")


class Container:
    """A folder in memory, in a mount namespace of its own that ends with its holder: nothing is left, whatever happens.

    `root` is the image's root folder, `volumes` holds Compose's volumes by name; both are seen from outside through `outside`."""

    def __init__(self, sandbox, stage, cache):
        self.stage, self._cache = stage, Path(cache)
        self.folder = sandbox.directory("c")
        self.root, self.volumes = self.folder / "root", self.folder / "volumes"
        hold = f"mount -t tmpfs -o size=2g,mode=755 tmpfs {self.folder} && mkdir {self.root} {self.volumes} && echo held && exec cat"
        self._holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", hold],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"held\n"
        self.within = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]
        sandbox.owns(self)

    def stop(self):
        self._holder.stdin.close()
        self._holder.wait(10)

    def outside(self, path):
        """Where a path of the namespace is found from outside."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def run(self, *command, **more):
        """A command in the namespace, which must succeed; its output as text."""
        done = subprocess.run([*self.within, *map(str, command)], capture_output=True, text=True, timeout=900, **more)
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    # The image.

    def make(self):
        """The root folder with the stage's RUN lines carried out, from the cache when it is of the same lines."""
        lines = self.stage.all("RUN")
        told = "\n".join([self.stage.image, platform.machine(), *lines])
        kept = self._cache / f"{hashlib.sha256(told.encode()).hexdigest()[:20]}.tar"
        if kept.exists():
            self.run("tar", "-xpf", kept, "-C", self.root)
            self._mount_system()
            return self
        suite = self.stage.image.removeprefix("debian:").removesuffix("-slim")
        self.run("debootstrap", "--variant=minbase", suite, self.root, mirror(suite))
        self.run("chroot", self.root, "apt-get", "clean")
        self._mount_system()
        for line in lines:
            self.run("chroot", self.root, "/bin/sh", "-c", line)
        self._cache.mkdir(parents=True, exist_ok=True)
        being_made = kept.with_suffix(f".{os.getpid()}")
        self.run("tar", "-cpf", being_made, "--one-file-system", "-C", self.root, ".")
        for old in self._cache.glob("*.tar"):
            old.unlink()
        being_made.rename(kept)
        return self

    def _mount_system(self):
        self.run("mount", "-t", "proc", "proc", self.root / "proc")

    def copy(self, source, target):
        """What COPY does: a file of the host's, owned by root."""
        self.run("install", "-D", "-m", "0755", source, f"{self.root}{target}")

    # As Compose runs it.

    def open(self, volumes, in_memory):
        """Mounts named volumes (name and where) and folders in memory over the root, which is read-only from then on. A volume that is
        new takes over what the image has there, as an engine does it."""
        self.run("umount", self.root / "proc")
        for name, where in volumes:
            seen, held = f"{self.root}{where}", self.volumes / name
            self.run("mkdir", "-p", seen)
            if not self.outside(held).exists():
                self.run("cp", "-a", seen, held)
        self.run("mount", "--bind", self.root, self.root)
        self._mount_system()
        for name, where in volumes:
            self.run("mount", "--bind", self.volumes / name, f"{self.root}{where}")
        for where in in_memory:
            self.run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{self.root}{where}")
        self.run("mount", "-o", "remount,bind,ro", self.root)

    def as_user(self, user, command, environment):
        """The words that start a command in the root as `uid:gid`, without capabilities and with this environment alone."""
        uid, _, gid = user.partition(":")
        person = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        variables = [f"{name}={value}" for name, value in environment.items()]
        return [*self.within, "chroot", str(self.root), "setpriv", *person, "env", "-i", *variables, *command]
