import JSON
import Platform
import Spotify
import Testing

@testable import Catalog
@testable import RateLimiting

/// A call of extended mode's for several objects, and what becomes of each.
@Suite("A call for several objects") struct BatchCallTests {
    static func track(_ digit: Int, market: Market? = nil) -> Resource { .object(.track, Sample.id(digit), market: market) }

    /// A call for tracks: one lookup for each digit, and records besides.
    static func call(_ digits: [Int], extra: [Int] = [], market: Market? = nil) -> LookupCall {
        LookupCall(
            lookups: digits.map { digit in
                let resource = track(digit, market: market)
                let lease = Lease(key: resource.name, number: 1, attempt: 1, priority: .caller, grantedAt: BootTime(nanoseconds: 0))
                return LeasedLookup(lease: lease, resource: resource)
            }, extra: extra.map { track($0, market: market) }, isExtended: true)
    }

    static func list(_ elements: [String]) -> [UInt8] { Array("{\"tracks\":[\(elements.joined(separator: ","))]}".utf8) }

    static func text(_ digit: Int, more: String = "") -> String { Sample.track(digit, by: 5, more: more) }

    /// What was learned of whom: `1 2`; `3?` for one that there is none of, `(4)` for one that is to be asked for alone, `+5` for one more.
    static func outcome(_ call: LookupCall, _ elements: [String]) throws -> String {
        let answer = try #require(BatchAnswer(call, list(elements)))
        let lessons = answer.lessons.map { lookup, lesson in
            let digit = lookup.resource.name.suffix(1)
            guard case .answer(let parsed) = lesson else { return "\(digit)?" }
            let names = parsed.lines.map { (try? JSONDocument($0.record.body).root["name"]?.string) ?? "nothing" }
            return parsed.lines.map(\.resource) == [lookup.resource] && names == ["Track \(digit)"] ? "\(digit)" : "\(digit) is \(names)"
        }
        return
            (lessons + answer.unanswered.map { "(\($0.resource.name.suffix(1)))" }
            + answer.extra.map { "+\($0.lines[0].resource.name.suffix(1))" }).joined(separator: " ")
    }

    @Test("names their ids in one target, with the market that all of them have")
    func target() {
        let calling = Self.call([1, 2], extra: [3])
        let ids = [1, 2, 3].map { Sample.id($0).text }.joined(separator: ",")
        #expect(calling.target.path(market: nil) == "/v1/tracks?ids=\(ids)" && calling.isBatch)
        #expect(calling.target.path(market: Market("DE")) == "/v1/tracks?ids=\(ids)&market=DE")
        #expect(Self.call([1, 2], market: Market("US")).target.path(market: Market("DE")).hasSuffix("&market=US"))
        let artists = [1, 2].map { Resource.object(.artist, Sample.id($0), market: nil) }
        #expect(CallTarget(resources: artists).path(market: Market("DE")) == "/v1/artists?ids=\(Sample.id(1).text),\(Sample.id(2).text)")
        #expect(Self.call([1]).target.path(market: nil) == "/v1/tracks/\(Sample.id(1).text)" && !Self.call([1]).isBatch)
    }

    @Test("whose answer has everything in its place teaches each its own; null is that there is none")
    func answered() throws {
        let all = try Self.outcome(Self.call([1, 2], extra: [3]), [Self.text(1), Self.text(2), Self.text(3)])
        #expect(all == "1 2 +3")
        #expect(try Self.outcome(Self.call([1, 2, 4], extra: [3]), [Self.text(1), "null", Self.text(4), "null"]) == "1 2? 4")
    }

    @Test("whose answer is odd gives nobody another's record; what it does not answer is asked for alone, and nothing is taken to be none")
    func odd() throws {
        let call = Self.call([1, 2, 4])
        #expect(try Self.outcome(call, [Self.text(4), Self.text(1), Self.text(2)]) == "1 2 4", "reordered")
        #expect(try Self.outcome(call, [Self.text(1)]) == "1 (2) (4)", "too short")
        #expect(try Self.outcome(call, [Self.text(1), "null"]) == "1 (2) (4)", "too short, with a null")
        #expect(try Self.outcome(call, ["null", Self.text(1), Self.text(4)]) == "1 4 (2)", "reordered, with a null")
        #expect(try Self.outcome(call, [Self.text(1), Self.text(7), Self.text(4)]) == "1 4 (2)", "a foreign one")
        #expect(try Self.outcome(call, [Self.text(1), Self.text(1), Self.text(4)]) == "1 4 (2)", "one twice")
        #expect(try Self.outcome(call, [Self.text(1), Self.text(2), Self.text(4), Self.text(7)]) == "1 2 4", "one more")
        #expect(try Self.outcome(call, [Self.text(1), "7", Self.text(4)]) == "1 4 (2)", "a number")
        let artist = Sample.artist(2)
        #expect(try Self.outcome(call, [Self.text(1), artist, Self.text(4)]) == "1 4 (2)", "another kind's")
        #expect(try Self.outcome(call, []) == "(1) (2) (4)", "nothing")
        #expect(BatchAnswer(call, Array(#"{"albums":[]}"#.utf8)) == nil && BatchAnswer(call, Array(#"{"tracks":{}}"#.utf8)) == nil)
    }

    @Test("whose answer has a track that stands in for another is that one's, and not that of whose id it has")
    func relinked() throws {
        let call = Self.call([1, 2], market: Market("DE"))
        let standing = Self.text(2, more: #","linked_from":{"id":"\#(Sample.id(1).text)"}"#)
        let answer = try #require(BatchAnswer(call, Self.list([standing, Self.text(2)])))
        #expect(answer.lessons.map { $0.lookup.resource } == [Self.track(1, market: Market("DE")), Self.track(2, market: Market("DE"))])
        let reversed = try #require(BatchAnswer(call, Self.list([standing])))
        #expect(reversed.lessons.map { $0.lookup.resource.name.suffix(1) } == ["1"] && reversed.unanswered.count == 1)
    }

    @Test("that is refused as a whole is not one object's refusal")
    func refused() {
        func end(_ error: SpotifyError) -> String {
            switch Self.call([1, 2, 4], extra: [3, 5, 6, 7, 8]).end(.failure(error)) {
            case .answered: "answered"
            case .closed(let length, _): "closed for \(length.wholeSeconds) s"
            case .spoiled(let most, _): "at most \(most) together"
            case .usual: "as ever"
            }
        }
        for error: SpotifyError in [.forbidden("no"), .notFound("no"), .unexpected(status: 404), .unexpected(status: 410)] {
            #expect(end(error) == "closed for 86400 s")
        }
        #expect(end(.accountRefused("premium")) == "closed for 300 s")
        #expect(end(.badRequest("invalid id")) == "at most 2 together")
        for error: SpotifyError in [.timedOut, .cut("gone"), .server(status: 500, message: ""), .unauthorized, .notJSON] {
            #expect(end(error) == "as ever")
        }
    }

    @Test("learns the account's mode from any of its objects")
    func mode() throws {
        let elements = ["null", Self.text(2, more: #","popularity":7"#)]
        #expect(try #require(BatchAnswer(Self.call([1, 2]), Self.list(elements))).mode == .extended)
    }
}

/// A scheduler whose lookups share a call.
@Suite("Lookups of one call") struct SharedCallTests {
    private let clock = ManualClock()

    private func waiter(_ digit: Int) -> Waiter {
        Waiter(
            number: UInt64(digit), resources: [BatchCallTests.track(digit)], client: "ann", deadline: clock.monotonic + .seconds(25),
            tell: { _ in })
    }

    /// Callers wait for 1 to 3, and one call is sent for them.
    private func sent(attempt: Int = 1) -> (LookupScheduler, Lease) {
        var scheduler = LookupScheduler(hasCredentials: true, plan: RenewalPlan(ttl: .seconds(43_200)), clock: clock)
        _ = scheduler.admit((1...3).map(waiter))
        _ = scheduler.hasToken()
        func lease(_ digit: Int, _ others: [Lease] = []) -> Lease {
            Lease(
                key: BatchCallTests.track(digit).name, number: 1, attempt: attempt, priority: .caller, grantedAt: clock.boot,
                others: others,
                places: 50)
        }
        let first = lease(1, [lease(2), lease(3)])
        _ = scheduler.reachGate(1)
        _ = scheduler.granted(first, to: 1, known: .miss, extra: [BatchCallTests.track(4)], isExtended: true)
        return (scheduler, first)
    }

    private func answer(_ elements: [String]) -> CallResult {
        .answer(SpotifyAnswer(status: 200, body: BatchCallTests.list(elements), elapsed: .milliseconds(100)))
    }

    @Test("are told what was stored of them, and only where the lease was not lost; the others go on waiting")
    func told() throws {
        var (scheduler, _) = sent()
        let actions = scheduler.ended(1, answer([1, 2, 3, 4].map { BatchCallTests.text($0) }))
        guard case .ask(.storeTogether(let call, let answer))? = actions.first else { throw House.Unreadable() }
        #expect(call.resources == (1...4).map { BatchCallTests.track($0) } && answer.extra.count == 1)
        let told = scheduler.storedTogether(answer, current: [BatchCallTests.track(1).name, BatchCallTests.track(3).name], others: [])
        let numbers = told.compactMap { if case .tell(let told) = $0 { told.waiter.number } else { nil } }
        #expect(numbers == [1, 3] && !scheduler.watchOthers().isEmpty)
    }

    @Test("are tried again together when the call fails, and nobody is told that his came to nothing, however often")
    func failed() {
        for attempt in 1...5 {
            var (scheduler, lease) = sent(attempt: attempt)
            let finishes = scheduler.ended(1, .failure(.timedOut)).compactMap { action -> (Lease, Bool)? in
                guard case .ask(.finish(let lease, .failed(_, _, let isFinal), .nothing)) = action else { return nil }
                return (lease, isFinal)
            }
            #expect(finishes.count == 1 && finishes[0].0 == lease && !finishes[0].1)
        }
    }

    @Test("go back uncounted when objects are not to be had together, and are not asked for so again")
    func closed() {
        var (scheduler, lease) = sent()
        let actions = scheduler.ended(1, .failure(.forbidden("no")))
        guard case .ask(.closeBatches(lease, .seconds(86_400))) = actions[1],
            case .ask(.finish(lease, .givenBack(nil), .nothing)) = actions[2]
        else {
            Issue.record("\(actions)")
            return
        }
    }

    @Test("that nobody can make go, those of their call go back")
    func unknown() {
        var scheduler = LookupScheduler(hasCredentials: true, plan: RenewalPlan(ttl: .seconds(43_200)), clock: clock)
        let known = Lease(key: BatchCallTests.track(1).name, number: 1, attempt: 1, priority: .caller, grantedAt: clock.boot)
        let lease = Lease(key: "track/7", number: 1, attempt: 1, priority: .caller, grantedAt: clock.boot, others: [known], places: 50)
        guard case .ask(.end(let endings))? = scheduler.granted(lease, to: 1, known: nil).last else {
            Issue.record("nothing ends")
            return
        }
        #expect(endings.map(\.lease.key) == ["track/7", known.key])
        guard case .failed("unknown lookup", .seconds(86_400), final: true) = endings[0].result, case .givenBack(nil) = endings[1].result
        else {
            Issue.record("\(endings)")
            return
        }
    }

    @Test("A search that asked for more than the account may have is asked anew, for as much as it may")
    func limit() throws {
        var scheduler = LookupScheduler(hasCredentials: true, plan: RenewalPlan(ttl: .seconds(43_200)), clock: clock)
        let search = Resource.search(try #require(SearchTerm("q")), kinds: [.track], offset: 0, market: nil)
        #expect(search.target(market: nil, isExtended: true).hasSuffix("limit=50") && search.target(market: nil).hasSuffix("limit=10"))
        for isExtended in [true, false] {
            _ = scheduler.hasToken()
            let lease = Lease(key: search.name, number: 1, attempt: 1, priority: .caller, grantedAt: clock.boot)
            let call = isExtended ? 1 : 2
            _ = scheduler.reachGate(call)
            _ = scheduler.granted(lease, to: call, known: .miss, isExtended: isExtended)
            let actions = scheduler.ended(call, .failure(.badRequest("Invalid limit")))
            let isGivenBack = actions.contains { if case .ask(.finish(_, .givenBack(nil), _)) = $0 { true } else { false } }
            let isStored = actions.contains { if case .ask(.store) = $0 { true } else { false } }
            #expect(isGivenBack == isExtended && isStored != isExtended)
        }
    }
}

@Suite("A search of extended mode's") struct SearchPagesTests {
    private func page(_ plural: String, _ count: Int, total: Int, offset: Int = 0) -> String {
        let items = (offset..<offset + count).map { #"{"name":"\#(plural) \#($0)"}"# }.joined(separator: ",")
        return
            #""\#(plural)":{"href":"h","items":[\#(items)],"limit":50,"next":null,"offset":\#(offset),"previous":null,"total":\#(total)}"#
    }

    /// The resources that an answer teaches, with the first and the last name of each kind and how many there are.
    private func pages(_ kinds: [ObjectKind], offset: Int = 0, _ members: String...) throws -> [String] {
        let term = try #require(SearchTerm("q"))
        let body = Array("{\(members.joined(separator: ","))}".utf8)
        let parsed = try #require(ParsedAnswer(.search(term, kinds: kinds, offset: offset, market: nil), body))
        return try parsed.lines.map { line in
            let root = try JSONDocument(line.record.body).root
            let lists = kinds.map { kind in
                let list = root[kind.plural]
                let names = list?["items"]?.elements.compactMap { $0["name"]?.string } ?? []
                return
                    "\(names.first ?? "-")…\(names.last ?? "-"), \(names.count) from \(list?["offset"]?.integer ?? -1) of \(list?["total"]?.integer ?? -1)"
            }
            return "\(line.resource.name.split(separator: "/")[2]): \(lists.joined(separator: "; "))"
        }
    }

    @Test("is kept in pages of ten, as many as it fills or ends in")
    func split() throws {
        #expect(
            try pages([.track], page("tracks", 23, total: 23)) == [
                "0: tracks 0…tracks 9, 10 from 0 of 23", "10: tracks 10…tracks 19, 10 from 10 of 23",
                "20: tracks 20…tracks 22, 3 from 20 of 23",
            ])
        #expect(
            try pages([.track], offset: 50, page("tracks", 50, total: 400, offset: 50)).map { $0.prefix { $0 != ":" } } == [
                "50", "60", "70", "80", "90",
            ])
        #expect(try pages([.track], page("tracks", 27, total: 400)).count == 2, "the third is not whole")
    }

    @Test("of several kinds is as long as the longest, and the shorter ones are at their end")
    func kinds() throws {
        let found = try pages([.track, .artist], page("tracks", 20, total: 20), page("artists", 1, total: 1))
        #expect(found[1] == "10: tracks 10…tracks 19, 10 from 10 of 20; -…-, 0 from 10 of 1" && found.count == 2)
        #expect(
            try pages([.track, .artist], page("tracks", 20, total: 20), page("artists", 10, total: 90)).count == 1, "artists are lacking")
    }

    @Test("no longer than a page is kept as it came")
    func short() throws {
        let term = try #require(SearchTerm("q"))
        let body = Array("{\(page("tracks", 10, total: 400))}".utf8)
        let parsed = try #require(ParsedAnswer(.search(term, kinds: [.track], offset: 0, market: nil), body))
        #expect(parsed.lines.map { Array($0.record.body) } == [body])
    }
}
