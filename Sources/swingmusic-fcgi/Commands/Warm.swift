import ArgumentParser
import Catalog
import Foundation
import Gateway
import Glibc
import Platform
import Spotify

/// `swingmusic-fcgi warm`: has things fetched before anybody asks for them.
struct Warm: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have tracks, albums, artists and playlists fetched ahead, at the lowest priority.",
        discussion: """
            Reads Spotify links, URIs or bare IDs: a plain list, where a line may name several and one that begins with # is a comment, \
            or a table with a column of them, such as Exportify, Soundiiz and TuneMyMusic write. Every line is accounted for: one that \
            names nothing is named with its number and the reason.

            What is in the database already is left out; the rest is queued behind everything that somebody waits for, and the \
            running 'serve' fetches it at its pace (1000 calls an hour at most, of which a fifth is kept for callers). It can be \
            stopped at any time and run again: nothing is fetched twice, and what is queued stays queued. Exits 0 when everything \
            is there, 1 when a line was skipped or something could not be had.
            """)

    @Argument(help: "Files to read; none, or '-', for standard input.")
    var files: [String] = []

    @Option(help: "What a bare ID is of: track, album, artist or playlist.")
    var kind: ObjectKind = .track

    @Flag(help: "Only queue what there is room for, and end without waiting for it.")
    var noWait = false

    @Flag(help: "Print one JSON object at the end.")
    var json = false

    func run() throws {
        let folder = try DataFolder()
        guard folder.settings.credentials != nil else { throw WarmError.noCredentials }
        let list = try WarmList(files: files, bareKind: kind)
        tell(of: list)
        guard !list.resources.isEmpty else { throw WarmError.nothingNamed }
        let round = try WarmRun(list.resources, folder: folder)
        defer { round.close() }
        let progress = ProgressLine()
        try round.begin()
        tellWhetherServed(folder.settings)
        while !noWait, !round.isDone {
            progress.show(round.standing)
            usleep(300_000)
            try round.step()
        }
        progress.show(round.standing)
        progress.end()
        try conclude(round, list)
    }

    private func tell(of list: WarmList) {
        for source in list.sources { Output.complain(source.text) }
        for line in list.skipped.prefix(Self.mostNamed) { Output.complain(line.text) }
        if list.skipped.count > Self.mostNamed {
            Output.complain("... and \(list.skipped.count - Self.mostNamed) more lines were skipped; --json names all")
        }
    }

    private static let mostNamed = 20

    private func tellWhetherServed(_ settings: Settings) {
        guard (try? HealthProbe.ask(settings.listen)) == nil else { return }
        Output.complain("no 'serve' answers at \(settings.listen): the lookups wait in the queue until one runs on this data folder")
    }

    private func conclude(_ round: WarmRun, _ list: WarmList) throws {
        for (resource, reason) in round.failures.prefix(Self.mostNamed) { Output.complain("\(resource.name): \(reason)") }
        if round.failures.count > Self.mostNamed { Output.complain("... and \(round.failures.count - Self.mostNamed) more") }
        if json {
            Output.json(round.standing.json(of: list))
        } else {
            print(round.standing.summary + (list.skipped.isEmpty ? "" : ", \(list.skipped.count) skipped"))
        }
        if !round.failures.isEmpty || !list.skipped.isEmpty { throw ExitCode.failure }
    }
}

extension ObjectKind: ExpressibleByArgument {}

/// Why `warm` cannot begin.
private enum WarmError: Error, CustomStringConvertible {
    case noCredentials
    case nothingNamed

    var description: String {
        switch self {
        case .noCredentials: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set: nothing can be fetched"
        case .nothingNamed: "there is no link, URI or ID in what was read"
        }
    }
}
