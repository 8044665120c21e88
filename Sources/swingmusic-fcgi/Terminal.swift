import Glibc
import Platform

/// The terminal, where there is one.
enum Terminal {
    /// Whether standard output is one whose owner has not asked for no colour (no-color.org).
    static let isColourful =
        isatty(STDOUT_FILENO) == 1 && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true)
        && (getenv("TERM").map { String(cString: $0) != "dumb" } ?? false)

    /// One of the terminal's own sixteen colours (ECMA-48, SGR).
    enum Colour: Int { case red = 31, green = 32, yellow = 33, grey = 90 }

    static func coloured(_ text: String, _ colour: Colour) -> String {
        isColourful ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Letters in a line and lines; 80 by 24 where the terminal does not tell.
    static func size(of descriptor: CInt) -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20, size.ws_row > 4 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}

/// Ctrl-C and SIGTERM, for a command that ends by itself when asked to. To be made before any thread is: all of them inherit the mask.
struct Interrupt {
    private let signals: sigset_t

    init() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        self.signals = signals
    }

    /// Waits so long, or until asked to end: true then.
    func comes(within limit: Duration) -> Bool {
        var signals = signals
        var time = timespec(tv_sec: Int(limit.wholeSeconds), tv_nsec: Int(limit.wholeNanoseconds % 1_000_000_000))
        return sigtimedwait(&signals, nil, &time) > 0
    }
}
