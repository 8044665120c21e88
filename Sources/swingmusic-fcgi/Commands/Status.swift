import ArgumentParser
import Foundation
import Gateway

/// `swingmusic-fcgi status`: how the installation is doing, in a terminal.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the installation is doing: hits, calls to Spotify, queue, workers, records, latest errors.",
        discussion: """
            Shows what the page /swingmusic-fcgi/status shows, without signing in: it reads the databases and counters in the data \
            folder. Run it with the environment of 'serve' (SWINGMUSIC_FCGI_DATA_DIR and the rest) and as its user, or as root. \
            No worker is asked, so it also works while none runs. 'check' says what is wrong with an installation, this how it goes.

            Exits 0 when workers run and can serve (warnings may be), 1 when not, with the reasons in the first lines.
            """)

    @Flag(help: "Print one JSON object, as /swingmusic-fcgi/status.json has it. Instants are milliseconds since 1970.")
    var json = false

    func run() throws {
        let folder = try DataFolder()
        let settings = folder.settings
        guard FileManager.default.fileExists(atPath: folder.path + "/cache.db") else {
            throw InstallationStatus.Fault.neverServed(folder.path)
        }
        let caches = Result { try folder.openCaches() }.mapError { CachesAreNotOpen(reason: "\($0)") }
        defer { try? caches.get().close() }
        let status = try InstallationStatus(settings: settings, version: ProgramVersion.text, caches: caches, log: .silent)
        if json {
            Output.json(status.json)
        } else {
            print(status.sections.map(Self.paragraph).joined(separator: "\n\n"))
        }
        if !status.isReady { throw ExitCode.failure }
    }

    private static func paragraph(_ section: StatusSection) -> String {
        ([section.title] + TextColumns.lines(section.rows).map { "  " + $0 }).joined(separator: "\n")
    }
}
