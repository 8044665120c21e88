import Foundation
import GRDB
import Platform

/// The songs that swingmusic has, as a catalog's tracks are looked for among them: by what they are called. Read from its `swingmusic.db`, never
/// written, and kept in memory until that file changes.
public final class Library: Sendable {
    /// A song of swingmusic's.
    public struct Song: Sendable, Equatable {
        public let title: String
        public let artists: String
        public let album: String
        public let albumArtists: String
        /// Seconds.
        public let duration: Int
        /// As swingmusic's routes know it; nil where that cannot be told from the database.
        public let trackHash: String?
        /// As the database knows it, and nobody else.
        public let storedHash: String
        public let albumHash: String
        public let playCount: Int
        /// Seconds since 1970; 0: never.
        public let lastPlayed: Int
    }

    /// A track as a catalog has it.
    public struct Wanted: Sendable {
        public var title: String
        /// The names, by comma.
        public var artists: String
        public var album: String?
        public var milliseconds: Int?

        public init(title: String, artists: String, album: String?, milliseconds: Int?) {
            self.title = title
            self.artists = artists
            self.album = album
            self.milliseconds = milliseconds
        }
    }

    /// All songs, and where those of a title are.
    public struct Index: Sendable {
        fileprivate(set) var songs: [Song] = []
        fileprivate var byTitle: [String: [Int]] = [:]
        /// What words are looked for in: title, artists and album in lower case.
        private var texts: [[UInt8]] = []
        fileprivate var stamps: [FileStamp?] = []

        fileprivate mutating func add(_ song: Song) {
            byTitle[Name.key(song.title), default: []].append(songs.count)
            songs.append(song)
            texts.append(Array("\(song.title) \(song.artists) \(song.album)".lowercased().utf8))
        }

        /// The song that is the track; nil: there is none. The title and one of the artists have to be the same, capitals, accents and signs aside;
        /// and the length, by 3 s, or of the same album by 15 s. Where no length is asked for the album has to be the same, if there is one.
        /// Of several the one of the same album and the nearest length.
        public func song(like wanted: Wanted) -> Song? {
            guard wanted.title.contains(where: { !$0.isWhitespace }) else { return nil }
            let artists = Name.keys(wanted.artists, separators: [","])
            let album = wanted.album.flatMap { $0.contains { !$0.isWhitespace } ? Name.key($0) : nil }
            var best: (song: Song, isOfAlbum: Bool, difference: Int)?
            for place in byTitle[Name.key(wanted.title)] ?? [] {
                let song = songs[place]
                let names = Name.keys(song.artists, separators: Self.tags).union(Name.keys(song.albumArtists, separators: Self.tags))
                guard !artists.isDisjoint(with: names) else { continue }
                let difference = wanted.milliseconds.map { abs($0 / 1000 - song.duration) } ?? 0
                let isOfAlbum = album == Name.key(song.album)
                guard isOfAlbum || album == nil || wanted.milliseconds != nil else { continue }
                guard difference <= (isOfAlbum ? Self.sameAlbum : Self.sameLength) else { continue }
                if let known = best, (known.isOfAlbum ? 0 : 1, known.difference) <= (isOfAlbum ? 0 : 1, difference) { continue }
                best = (song, isOfAlbum, difference)
            }
            return best?.song
        }

        /// Between artists in files; some names have the later ones in them.
        private static let tags = [";", ";,", ";/,", ";/,&"]
        /// Seconds by which lengths may differ.
        private static let (sameLength, sameAlbum) = (3, 15)

        /// Songs with all of the words in title, artists or album; those whose title begins with the first one first.
        public func songs(with text: String, atMost most: Int) -> [Song] {
            let words = text.lowercased().split(whereSeparator: \.isWhitespace).map { Array($0.utf8) }
            guard let first = words.first else { return [] }
            var found: [Song] = []
            var others: [Song] = []
            for (song, text) in zip(songs, texts) where words.allSatisfy({ Self.has($0, in: text) }) {
                if text.starts(with: first) { found.append(song) } else if others.count < most { others.append(song) }
                if found.count == most { break }
            }
            return Array((found + others).prefix(most))
        }

        private static func has(_ word: [UInt8], in text: [UInt8]) -> Bool {
            guard word.count <= text.count else { return false }
            return (0...text.count - word.count).contains { start in
                text[start] == word[0] && text[start..<start + word.count].elementsEqual(word)
            }
        }
    }

    private let database: UserDatabase
    private let kept = Locked<Index?>(nil)  // guards the index that was made last

    init(_ database: UserDatabase) { self.database = database }

    /// The songs as they are now. Reads the whole table where it has changed: on a thread that may block.
    /// - Throws: why they cannot be read, in words.
    public func index() throws(LibraryFault) -> Index {
        let stamps = stamps()
        if let index = kept.withLock({ $0 }), index.stamps == stamps { return index }
        do throws(UserDatabaseError) {
            var index = try database.read(.brief) { db in
                var index = Index()
                let rows = try Row.fetchCursor(db, sql: Self.columns)
                while let row = try rows.next() { index.add(Self.song(row)) }
                return index
            }
            index.stamps = stamps
            kept.withLock { [index] in $0 = index }
            return index
        } catch {
            throw LibraryFault(reason: UserDatabase.words(error))
        }
    }

    private func stamps() -> [FileStamp?] {
        let path = database.path
        return [FileStamp(path: path), FileStamp(path: path + "-wal")]
    }

    private static let columns = """
        SELECT title, artists, album, albumartists, duration, trackhash, albumhash, playcount, lastplayed FROM track ORDER BY id
        """

    private static func song(_ row: Row) -> Song {
        func text(_ place: Int) -> String { String.fromDatabaseValue(row[place]) ?? "" }
        func number(_ place: Int) -> Int {
            Int.fromDatabaseValue(row[place]) ?? Double.fromDatabaseValue(row[place]).flatMap { Int(exactly: $0.rounded()) } ?? 0
        }
        return Song(
            title: text(0), artists: text(1), album: text(2), albumArtists: text(3), duration: number(4),
            trackHash: TrackHash.of(title: text(0), album: text(2), artists: text(1)), storedHash: text(5), albumHash: text(6),
            playCount: number(7), lastPlayed: number(8))
    }
}

/// Why swingmusic's songs cannot be read, in words.
public struct LibraryFault: Error, Sendable {
    public let reason: String
}

/// Names as they are compared.
private enum Name {
    /// Of several artists: each, by any of these sets of signs between them, and the whole.
    static func keys(_ artists: String, separators: [String]) -> Set<String> {
        let parts = separators.flatMap { signs in artists.split { signs.contains($0) } }
        return Set((parts + [artists[...]]).map { key(String($0)) }.filter { !$0.isEmpty })
    }

    /// Letters and digits alone, in lower case and without accents; all of it where there is nothing else, as in `???`.
    static func key(_ text: String) -> String {
        var key = String.UnicodeScalarView()
        for scalar in text.decomposedStringWithCompatibilityMapping.unicodeScalars
        where scalar.properties.isAlphabetic || scalar.properties.numericType != nil || isPartOfLetter(scalar) {
            key.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        }
        return key.isEmpty ? text.trimmingCharacters(in: .whitespaces) : String(key)
    }

    /// Marks that make another letter, not the same with an accent: か is not が. By their combining class: those of Indian scripts and of kana, and
    /// the tones of Thai and Lao.
    private static func isPartOfLetter(_ scalar: Unicode.Scalar) -> Bool {
        let marks = scalar.properties.canonicalCombiningClass.rawValue
        return (7...9).contains(marks) || (103...132).contains(marks)
    }
}
