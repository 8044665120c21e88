import CSystem
import Glibc

/// The signals that `serve` and its workers take in one place, instead of having handlers interrupt them.
public enum SupervisionSignals {
    static let taken: [CInt] = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD]

    /// Blocks them in the calling thread, and so in every thread that it starts from then on: call it first thing, before
    /// anything else has started a thread.
    ///
    /// A broken pipe becomes an error number instead of a death. SIGCHLD gets its default action back, since a parent that
    /// ignored it would have the workers vanish uncollected (waitpid(2), notes).
    public static func block() {
        csys_ignore_signal(SIGPIPE)
        csys_default_signal(SIGCHLD)
        var set = makeSet(taken)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    static func makeSet(_ signals: [CInt]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }
}
