import ArgumentParser
import Caching
import Gateway
import Glibc
import Platform

/// `swingmusic-fcgi status`: how the installation is doing, in a terminal.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the installation is doing: hits, calls to Spotify, queue, workers, records, latest errors.",
        discussion: """
            Shows what the page /swingmusic-fcgi/status shows, without signing in: it reads the databases and counters in the data \
            folder. Run it as the program's user, or as root. No worker is asked, so it also works while none runs. 'check' says what is wrong \
            with an installation, this how it goes.

            Exits 0 when workers run and can serve (warnings may be), 1 when not, with the reasons in the first lines.

            EXAMPLES
              sudo swingmusic-fcgi status
              sudo swingmusic-fcgi status --watch      anew every two seconds, until Ctrl-C
              sudo swingmusic-fcgi status --json
            """)

    @Flag(help: "Show it anew every two seconds, until Ctrl-C.")
    var watch = false

    @Flag(help: "Print one JSON object, as /swingmusic-fcgi/status.json has it. Instants are milliseconds since 1970.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let interruption = watch ? Interrupt() : nil
        let folder = try DataFolder(environment)
        let settings = folder.settings
        guard access(folder.path + "/cache.db", F_OK) == 0 else { throw InstallationStatus.Fault.neverServed(folder.path) }
        let caches = Result { try folder.openCaches() }.mapError { CachesAreNotOpen(reason: "\($0)") }
        defer { try? caches.get().close() }
        while true {
            let status = try InstallationStatus(settings: settings, version: ProgramVersion.text, caches: caches, log: .silent)
            show(status)
            guard let interruption else {
                if !status.isReady { throw ExitCode.failure }
                return
            }
            if interruption.comes(within: .seconds(2)) { return }
        }
    }

    private func show(_ status: InstallationStatus) {
        if json { return Output.json(status.json) }
        let text = status.sections.map(Self.paragraph).joined(separator: "\n\n")
        guard watch, isatty(STDOUT_FILENO) == 1 else { return print(text + (watch ? "\n" : "")) }
        // From the top left, and what was there before goes; what does not fit is cut, or the top would be out of sight.
        let size = Terminal.size(of: STDOUT_FILENO)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(size.rows - 1).map { $0.prefix(size.columns) }
        print("\u{1B}[H\u{1B}[2J" + lines.joined(separator: "\n"))
        fflush(nil)
    }

    private static func paragraph(_ section: StatusSection) -> String {
        ([section.title] + TextColumns.lines(section.rows).map { "  " + $0 }).joined(separator: "\n")
    }
}
