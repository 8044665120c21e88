import CSystem
import Foundation
import Glibc

/// A bar on a terminal; elsewhere a plain line now and then. On standard error, so that standard output is the result alone.
final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastLine = ""
    private var nextPlainAt: UInt64 = 0

    func show(_ standing: WarmingStanding) {
        isTerminal ? draw(standing) : tell(standing)
    }

    /// The cursor goes to the next line.
    func end() {
        if isTerminal, !lastLine.isEmpty { write("\n") }
    }

    private func draw(_ standing: WarmingStanding) {
        let width = 24
        let full = standing.asked == 0 ? width : width * standing.settled / standing.asked
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        let line = "[\(bar)] \(standing.text)"
        guard line != lastLine else { return }
        lastLine = line
        write("\r\(String(line.prefix(columns - 1)))\u{1B}[K")
    }

    private func tell(_ standing: WarmingStanding) {
        let now = csys_monotonic_ns()
        guard now >= nextPlainAt || standing.left == 0, standing.text != lastLine else { return }
        nextPlainAt = now + 10_000_000_000
        lastLine = standing.text
        write(standing.text + "\n")
    }

    private var columns: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
