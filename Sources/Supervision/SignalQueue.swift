import CSystem
import Glibc

/// Where the supervisor's loop finds the signals that came.
protocol SignalSource {
    /// Readable while signals wait.
    var descriptor: CInt { get }
    /// All that wait, without blocking.
    func take() -> [CInt]
}

/// The process's blocked signals as a descriptor (signalfd(2)).
struct SignalQueue: SignalSource {
    let descriptor: CInt

    /// nil, with errno set, when no descriptor is left.
    init?(_ signals: [CInt] = SupervisionSignals.taken) {
        var set = SupervisionSignals.makeSet(signals)
        let descriptor = signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    func take() -> [CInt] {
        var signals: [CInt] = []
        while true {
            let signal = csys_read_signal(descriptor)
            guard signal > 0 else { return signals }
            signals.append(signal)
        }
    }
}
