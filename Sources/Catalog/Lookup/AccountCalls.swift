import JSON
import Platform
import Spotify

/// Calls for playlists, whose items development mode gives to their owner alone: they are made as the connected account where there is one. What
/// it may see and others may not is stored apart, or not at all: what is stored here is for everybody.
struct AccountCalls {
    /// How a call is made.
    enum Sending {
        case asApp
        case asAccount(token: String)
        /// The list is asked first whether it is public, in the place of one of its pages.
        case vetting(target: String, token: String)
        /// Not at all: it is the account's alone, which has no token, or is another one by now.
        case withheld
    }

    /// What the end of a call for a playlist comes to.
    enum End {
        /// As of any other call; `isOfAccount`: what else stands in the answer is as the account's country has it. `isOpen`: what was asked for as
        /// private is public by now.
        case usual(CallResult, isOfAccount: Bool = false, isOpen: Bool = false)
        /// The playlist's owner keeps it from others, or does not: it is asked for once more, as the app or as the account.
        case otherwise
    }

    /// What a call asks for.
    private struct Asked {
        let resource: Resource
        let playlist: SpotifyID
        /// Of the consent whose token it is made with (`AccountStanding.consentedAt`); nil: it is made as the app.
        var consent: Int64?
        var isVetting = false
    }

    private let tokens: AccountTokenProvider
    private let privateRecords: PrivateRecords?
    /// For the call that is about to begin; nil: it is made as the app.
    private var token: (text: String, consent: Int64)?
    /// An account is connected and has no token just now.
    private var isUnready = false
    private var calls: [Int: Asked] = [:]
    /// Of the consent that the call which ended last was made under: what it brought is kept under no other.
    private(set) var endedConsent: Int64?

    init(_ tokens: AccountTokenProvider, _ privateRecords: PrivateRecords?) {
        self.tokens = tokens
        self.privateRecords = privateRecords
    }

    /// Before a permit is taken.
    /// - Returns: false while another worker has the token renewed.
    mutating func findToken(_ client: any SpotifyCalls) throws -> Bool {
        (token, isUnready) = (nil, false)
        switch try tokens.stand(client) {
        case .ready(let text): token = (text, tokens.consentedAt)
        case .renewing: return false
        case .unready: isUnready = true
        case .absent: break
        }
        return true
    }

    /// How a call that begins is made. What is asked for together are never playlists.
    mutating func sending(_ call: Int, _ resources: [Resource]) throws -> Sending {
        guard resources.count == 1, let resource = resources.first, let playlist = resource.playlist else { return .asApp }
        var asked = Asked(resource: resource, playlist: playlist)
        defer { calls[call] = asked }
        guard let token else { return resource.isKept ? .withheld : .asApp }
        if resource.isKept {
            // What was wanted while another account was connected, or before its owner made the list public, is not this account's.
            guard tokens.isPrivate, privateRecords?.holds(playlist) ?? false else { return .withheld }
            asked.consent = token.consent
            return .asAccount(token: token.text)
        }
        guard try !tokens.isKept(playlist) else { return .asApp }
        asked.consent = token.consent
        guard resource.isPage, try !tokens.isOpen(playlist) else { return .asAccount(token: token.text) }
        asked.isVetting = true
        return .vetting(target: "/v1/playlists/\(playlist.text)?fields=public", token: token.text)
    }

    /// Spotify does not take the token of a call.
    /// - Returns: whether another one is worth a try; nil for a call that was made as the app.
    mutating func refuse(_ token: String, of call: Int) throws -> Bool? {
        guard let consent = calls.removeValue(forKey: call)?.consent else { return nil }
        // One of a consent of before says nothing of those that are used now.
        return try !tokens.isCurrent(consent) || tokens.refuse(token)
    }

    /// A playlist that its owner keeps from others is asked for once more, as the app. Nor is one without items stored while the account that may
    /// read them has no token. What comes when another account is connected is as that was not asked, and nothing is learned from it.
    /// - Parameter age: since the call was sent.
    mutating func end(of call: Int, _ result: CallResult, age: Duration = .zero) -> End {
        endedConsent = calls[call]?.consent
        guard let asked = calls[call] else { return .usual(result) }
        guard case .answer(let answer) = result else {
            // A refused token is still to be asked about.
            if case .failure(.unauthorized) = result {} else { calls[call] = nil }
            return isRefusalOfBefore(asked, result) ? .otherwise : .usual(result)
        }
        calls[call] = nil
        let list = asked.resource.isPage && !asked.isVetting ? nil : try? JSONDocument(answer.body).root
        guard let consent = asked.consent else {
            guard isUnready, let list, !list.hasItems else { return .usual(result) }
            return .usual(.failure(.server(status: 503, message: "the connected account has no token")))
        }
        guard tokens.isCurrent(consent), tokens.isPrivate || !asked.resource.isKept else { return .otherwise }
        // Where that cannot be written, nothing can, and the next permit says so.
        try? tokens.noteTaken()
        guard let list else { return .usual(result, isOfAccount: true) }
        return (try? end(of: asked, under: consent, list, answer.body, result, age: age)) ?? Self.unwritten
    }

    /// What an account was refused says nothing of the one that is connected by now.
    private func isRefusalOfBefore(_ asked: Asked, _ result: CallResult) -> Bool {
        switch result {
        case .failure(.forbidden), .failure(.notFound): asked.consent.map { !tokens.isCurrent($0) } ?? false
        default: false
        }
    }

    /// Another account may be connected at any point of this, so that all that is noted says whose it is.
    private func end(
        of asked: Asked, under consent: Int64, _ list: JSONNode, _ body: [UInt8], _ result: CallResult, age: Duration
    ) throws -> End {
        if !asked.isVetting { try learnOwner(list, under: consent) }
        guard list["public"]?.bool != true else {
            try tokens.noteOpen(asked.playlist, under: consent)
            if asked.isVetting { return .otherwise }
            guard asked.resource.isKept else { return .usual(result, isOfAccount: true) }
            privateRecords?.forget(asked.playlist)
            try tokens.forgetKept(asked.playlist)
            return .usual(result, isOfAccount: true, isOpen: true)
        }
        if asked.resource.isKept { return .usual(result, isOfAccount: true) }
        if !asked.isVetting, list.hasItems, tokens.isPrivate, let line = ParsedAnswer(.kept(asked.resource), body)?.lines.first {
            try privateRecords?.keep(line, under: consent, age: age)
        }
        try tokens.noteKept(asked.playlist, under: consent)
        return .otherwise
    }

    private static let unwritten = End.usual(.failure(.server(status: 503, message: "what the account may see cannot be noted")))

    /// In development mode, where playlists have `items` for those alone whose they are.
    private func learnOwner(_ list: JSONNode, under consent: Int64) throws {
        guard list.has("items"), list["collaborative"]?.bool == false, let name = list["owner"]?["display_name"]?.string, !name.isEmpty
        else { return }
        try tokens.noteOwner(name, under: consent)
    }

    // MARK: What was fetched without items

    /// Playlists that were fetched without items before the account was connected, and where the look at them stands.
    private var review: (consent: WallTime, after: [UInt8]?)?
    private var nextReview = MonotonicTime(nanoseconds: 0)

    /// A part of what has to be asked for again now that an account is connected, once for all workers; to be called in each round. Refusals of
    /// before are forgotten.
    mutating func overdue(in recordStore: RecordStore) throws -> [Refresh.Due] {
        let now = recordStore.clock.monotonic
        guard now >= nextReview else { return [] }
        if review == nil { review = try tokens.newConsent().map { ($0, nil) } }
        guard let (consent, after) = review else {
            nextReview = now + .seconds(1)
            return []
        }
        let (due, next) = try recordStore.outdatedPlaylists(before: consent, after: after)
        review = next.map { (consent, $0) }
        if next == nil { try tokens.noteAsked(consent) }
        return due
    }
}

extension JSONNode {
    /// A playlist whose items may be read.
    fileprivate var hasItems: Bool { has("items") || has("tracks") }
}
