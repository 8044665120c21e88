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
        let list = try WarmList(files: files, bareKind: kind)
        if list.skippedLines > 0 {
            Output.complain(
                "\(list.skippedLines) line\(list.skippedLines == 1 ? " names" : "s name") nothing of Spotify's and \(list.skippedLines == 1 ? "was" : "were") skipped"
            )
        }
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
        try conclude(round)
    }

    private func tellWhetherServed(_ settings: Settings) {
        guard (try? HealthProbe.ask(settings.listen)) == nil else { return }
        Output.complain("no 'serve' answers at \(settings.listen): the lookups wait in the queue until one runs on this data folder")
    }

    private func conclude(_ round: WarmRun) throws {
        for (resource, reason) in round.failures.prefix(20) { Output.complain("\(resource.name): \(reason)") }
        if round.failures.count > 20 { Output.complain("... and \(round.failures.count - 20) more") }
        if json {
            Output.json(round.standing.json)
        } else {
            print(round.standing.summary)
        }
        if !round.failures.isEmpty { throw ExitCode.failure }
    }
}

extension ObjectKind: ExpressibleByArgument {}

/// Why `warm` cannot begin.
private enum WarmError: Error, CustomStringConvertible {
    case noCredentials
    case nothingNamed
    case unreadable(String)

    var description: String {
        switch self {
        case .noCredentials: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set: nothing can be fetched"
        case .nothingNamed: "there is no link, URI or ID in what was read"
        case .unreadable(let path): "\(path) cannot be read: \(String(cString: strerror(errno)))"
        }
    }
}

/// What `warm` was asked for, each thing once, in the order of its first mention.
private struct WarmList {
    private(set) var resources: [Resource] = []
    /// Lines with something in them, none of which names a thing; a CSV's header is one.
    private(set) var skippedLines = 0

    init(files: [String], bareKind: ObjectKind) throws {
        for file in files.isEmpty ? ["-"] : files {
            if file == "-" {
                add(String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self), bareKind)
            } else {
                guard let bytes = Files.read(file, atMost: 1 << 30) else { throw WarmError.unreadable(file) }
                add(String(decoding: bytes, as: UTF8.self), bareKind)
            }
        }
    }

    init(text: String, bareKind: ObjectKind) { add(text, bareKind) }

    private mutating func add(_ text: String, _ bareKind: ObjectKind) {
        var known = Set(resources)
        for row in CSVRows.read(text) {
            let fields = row.map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.contains(where: { !$0.isEmpty }), fields.first?.hasPrefix("#") != true else { continue }
            guard let resource = Self.resource(in: fields, bareKind) else {
                skippedLines += 1
                continue
            }
            if known.insert(resource).inserted { resources.append(resource) }
        }
    }

    /// A link or a URI says what it is; a bare ID may also be a word of 22 letters, so it counts only where there is neither.
    private static func resource(in fields: [String], _ bareKind: ObjectKind) -> Resource? {
        for field in fields {
            if let named = SpotifyID.named(by: field) { return .object(named.kind, named.id, market: nil) }
        }
        return fields.lazy.compactMap { SpotifyID($0) }.first.map { .object(bareKind, $0, market: nil) }
    }
}

/// Rows of comma-separated values (RFC 4180), with semicolons and tabs as separators too; a plain list is rows of one field.
private enum CSVRows {
    static func read(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field = ""
        var isQuoted = false
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        if next == "\u{FEFF}" { next = scalars.next() }  // a byte-order mark
        while let scalar = next {
            next = scalars.next()
            switch scalar {
            case "\"" where isQuoted && next == "\"":
                field.unicodeScalars.append(scalar)
                next = scalars.next()
            case "\"" where isQuoted: isQuoted = false
            case "\"" where field.isEmpty: isQuoted = true
            case ",", ";", "\t":
                if isQuoted { field.unicodeScalars.append(scalar) } else { end(&field, &row) }
            case "\n" where !isQuoted, "\r" where !isQuoted:
                end(&field, &row)
                rows.append(row)
                row = []
            default: field.unicodeScalars.append(scalar)
            }
        }
        end(&field, &row)
        return rows + [row]
    }

    private static func end(_ field: inout String, _ row: inout [String]) {
        row.append(field)
        field = ""
    }
}
