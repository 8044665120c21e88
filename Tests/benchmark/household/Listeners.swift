import Catalog
import Foundation
import Platform
import Spotify

/// One request of a listener's, as the mirror has it.
struct Request {
    let at: Double
    let listener: String
    let question: any Question
    /// `tracks`, `artists/albums` and the like.
    let family: String

    /// Reads `instant listener path`; nil for a path that the household's model does not have.
    init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count == 3, let at = Double(words[0]), let question = Self.question(String(words[2])) else { return nil }
        self.at = at
        listener = "listener \(words[1])"
        family = Family.of(words[2])
        self.question = question
    }

    private static func question(_ target: String) -> (any Question)? {
        guard let parts = URLComponents(string: target) else { return nil }
        let query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { first, _ in first })
        let words = parts.path.split(separator: "/").map(String.init)
        let limit = query["limit"].flatMap { Int($0) } ?? 20
        if words.count == 2, words[1] == "search" {
            let text = (query["q"] ?? "").replacingOccurrences(of: "+", with: " ")
            let kinds = (query["type"] ?? "").split(separator: ",").compactMap { ObjectKind(rawValue: String($0)) }
            return SearchTerm(text).map { SearchQuestion(term: $0, query: text, kinds: kinds, offset: 0, limit: limit, market: nil) }
        }
        guard words.count >= 3, let id = SpotifyID(words[2]) else { return nil }
        if words.count == 4, words[3] == "albums" {
            return ArtistAlbumsQuestion(id: id, groups: .all, offset: 0, limit: limit, market: nil)
        }
        let kind = ObjectKind.allCases.first { $0.plural == words[1] }
        return words.count == 3 ? kind.map { ObjectQuestion(.object($0, id, market: nil)) } : nil
    }
}

/// What a request is for, or a call, whatever its ids and words are.
enum Family {
    /// The path's words without `v1` and ids; `search for an album` where that is what is looked for.
    static func of(_ target: some StringProtocol) -> String {
        let path = target.prefix { $0 != "?" }.split(separator: "/").dropFirst()
        if path.first == "search", target.contains("q=album%3A") { return "search-for-an-album" }
        return path.enumerated().filter { $0.offset != 1 }.map { String($0.element) }.joined(separator: "/")
    }
}

/// Asks, and waits where it has to: as the program's routes do, for 25 s, and then again.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
final class Listeners: @unchecked Sendable {
    private let catalog: Catalog
    private let agenda: Agenda
    private(set) var failures = 0

    private static let patience = Duration.seconds(25)

    init(_ catalog: Catalog, _ agenda: Agenda) {
        self.catalog = catalog
        self.agenda = agenda
    }

    func ask(_ request: Request) {
        do {
            switch try catalog.answer(request.question, base: LinkBase("http://house")) {
            case .complete(let answer): tell(request, answer.freshness == .stale ? "\(-answer.ttl)" : "fresh")
            case .denied: tell(request, "fresh")
            case .missing(let resources): wait(request, for: resources)
            }
        } catch {
            failures += 1
            FileHandle.standardError.write(Data("\(error)\n".utf8))
        }
    }

    private func tell(_ request: Request, _ age: String) {
        print("answer \(request.at) \(max(0, agenda.now - request.at)) \(age) \(request.family)")
    }

    /// One end of a wait: an answer to it, or the end of patience.
    private final class Wait: @unchecked Sendable {
        var isOver = false
    }

    private func wait(_ request: Request, for resources: [Resource]) {
        let wait = Wait()
        let deadline = agenda.clock.monotonic + Self.patience
        let number = catalog.inbox.wait(for: resources, client: request.listener, until: deadline) { [self] outcome in
            guard !wait.isOver else { return }
            wait.isOver = true
            switch outcome {
            case .finished: ask(request)
            case .later(let pause, _), .refused(_, let pause), .failed(_, let pause):
                agenda.enter(after: max(.seconds(1), pause)) { self.ask(request) }
            }
        }
        agenda.enter(after: Self.patience) { [self] in
            guard !wait.isOver else { return }
            wait.isOver = true
            catalog.inbox.leave(number)
            ask(request)
        }
    }
}
