import JSON
import Spotify

/// Calls for playlists, whose items development mode gives to their owner alone: they are made as the connected account where there is one. What
/// it may see and others may not is not stored: what is stored here is for everybody.
struct AccountCalls {
    /// What the end of a call for a playlist comes to.
    enum End {
        /// As of any other call; `isOfAccount`: what else stands in the answer is as the account's country has it.
        case usual(CallResult, isOfAccount: Bool = false)
        /// The playlist's owner keeps it from others: it is asked for once more, as the app.
        case otherwise
    }

    private let tokens: AccountTokenProvider
    /// For the call that is about to begin; nil: it is made as the app.
    private var token: String?
    /// An account is connected and has no token just now.
    private var isUnready = false
    /// What the calls that have begun ask for.
    private var calls: [Int: (playlist: SpotifyID, isPage: Bool, asAccount: Bool)] = [:]

    init(_ tokens: AccountTokenProvider) { self.tokens = tokens }

    /// Before a permit is taken.
    /// - Returns: false while another worker has the token renewed.
    mutating func findToken(_ client: any SpotifyCalls) throws -> Bool {
        (token, isUnready) = (nil, false)
        switch try tokens.stand(client) {
        case .ready(let token): self.token = token
        case .renewing: return false
        case .unready: isUnready = true
        case .absent: break
        }
        return true
    }

    /// The token for a call that begins; nil where the app's will do. What is asked for together are never playlists.
    mutating func token(for call: Int, _ resources: [Resource]) throws -> String? {
        guard resources.count == 1, let resource = resources.first, let playlist = resource.playlist else { return nil }
        let token = try tokens.isKept(playlist) ? nil : token
        calls[call] = (playlist, resource.isPage, token != nil)
        return token
    }

    /// Spotify does not take the token of a call.
    /// - Returns: whether another one is worth a try; nil for a call that was made as the app.
    mutating func refuse(_ token: String, of call: Int) throws -> Bool? {
        guard calls.removeValue(forKey: call)?.asAccount ?? false else { return nil }
        return try tokens.refuse(token)
    }

    /// A playlist that its owner keeps from others is asked for once more, as the app. Nor is one without items stored while the account that may
    /// read them has no token.
    mutating func end(of call: Int, _ result: CallResult) -> End {
        guard let asked = calls[call] else { return .usual(result) }
        guard case .answer(let answer) = result else {
            // A refused token is still to be asked about.
            if case .failure(.unauthorized) = result {} else { calls[call] = nil }
            return .usual(result)
        }
        calls[call] = nil
        let list = asked.isPage ? nil : try? JSONDocument(answer.body).root
        guard asked.asAccount else {
            guard isUnready, let list, !list.has("items"), !list.has("tracks") else { return .usual(result) }
            return .usual(.failure(.server(status: 503, message: "the connected account has no token")))
        }
        // Where that cannot be written, nothing can, and the next permit says so.
        try? tokens.noteTaken()
        guard let list, list["public"]?.bool != true else { return .usual(result, isOfAccount: true) }
        guard (try? tokens.noteKept(asked.playlist)) != nil else {
            return .usual(.failure(.server(status: 503, message: "the limiter's file cannot be written")))
        }
        return .otherwise
    }
}
