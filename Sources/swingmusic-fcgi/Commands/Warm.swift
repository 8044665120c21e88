import ArgumentParser
import Catalog
import Foundation
import Gateway
import Glibc
import Spotify

/// `swingmusic-fcgi warm`: has things fetched before anybody asks for them.
struct Warm: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have tracks, albums, artists and playlists fetched ahead, at the lowest priority.",
        discussion: """
            Reads Spotify links, URIs or bare IDs: one a line, or a CSV with a column of them (the first field of a line that is one \
            counts). What is in the database already is skipped; the rest is queued behind everything that somebody waits for, \
            and the running 'serve' fetches it at its pace (1000 calls an hour at most, of which a fifth is kept for callers).

            It can be stopped at any time and run again: nothing is fetched twice, and what is queued stays queued. Exits 0 when \
            everything is there, 1 when something could not be had.
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
        let list = try WishList(files: files, bareKind: kind)
        if list.skippedLines > 0 {
            Output.complain(
                "\(list.skippedLines) line\(list.skippedLines == 1 ? " names" : "s name") nothing of Spotify's and \(list.skippedLines == 1 ? "was" : "were") skipped"
            )
        }
        guard !list.resources.isEmpty else { throw WarmError.nothingNamed }
        let round = try WarmingRound(list.resources, folder: folder)
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
        try conclude(round)
    }

    private func tellWhetherServed(_ settings: Settings) {
        guard (try? HealthProbe.ask(settings.listen)) == nil else { return }
        Output.complain("no 'serve' answers at \(settings.listen): the lookups wait in the queue until one runs on this data folder")
    }

    private func conclude(_ round: WarmingRound) throws {
        for (resource, reason) in round.failures.prefix(20) { Output.complain("\(resource.name): \(reason)") }
        if round.failures.count > 20 { Output.complain("... and \(round.failures.count - 20) more") }
        if json {
            try Output.json(round.standing)
        } else {
            print(round.standing.summary)
        }
        if !round.failures.isEmpty { throw ExitCode.failure }
    }
}

extension ObjectKind: ExpressibleByArgument {}
