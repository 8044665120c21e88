import Platform

/// What the page of one's own devices shows.
public struct DeviceList: Sendable {
    public let userName: String
    /// One's own open sessions, the newest first; this one is among them.
    public let sessions: [ShownSession]
    /// Goes into the page's forms and comes back with them: nobody who was not shown the page has it.
    public let proof: String
    /// ms since 1970, of the times in `sessions`.
    public let now: Int64
}

/// What a form of that page asks for.
public enum DeviceChange: Sendable, Equatable {
    /// To end one of one's own sessions, by its id.
    case end(String)
    /// To end all of one's own but this one, as `DELETE /auth/sessions` does.
    case endOthers
    /// To end this one.
    case signOut
}

/// What became of a request to the page.
public enum DeviceOutcome: Sendable {
    case list(DeviceList)
    /// The change was made: the page is to be loaded anew.
    case done
    case refused(Refused)
}

/// The same with the cookie that goes with it.
public struct DeviceAnswer: SessionAnswer {
    public let outcome: DeviceOutcome
    /// The value of a `Set-Cookie`, if there is one.
    public private(set) var cookie: String?

    init(_ outcome: DeviceOutcome, cookie: String? = nil) {
        self.outcome = outcome
        self.cookie = cookie
    }

    public static func refused(_ refused: Refused) -> DeviceAnswer { DeviceAnswer(.refused(refused)) }
    public var setsCookie: Bool { cookie != nil }
    public func adding(_ cookie: String?) -> DeviceAnswer { DeviceAnswer(outcome, cookie: cookie ?? self.cookie) }
}

extension Sessions {
    /// `GET /auth/devices`.
    public func devices(
        _ authenticated: AuthenticatedRequest, _ caller: Caller, _ context: borrowing BlockingContext
    ) -> DeviceAnswer {
        note(authenticated, caller)
        guard let shown = try? openSessions(of: authenticated.user.id, current: authenticated.session.id, context) else {
            return DeviceAnswer(.refused(.unavailable))
        }
        let list = DeviceList(
            userName: authenticated.user.name, sessions: shown, proof: FormProof.make(authenticated), now: clock.wall.milliseconds)
        return DeviceAnswer(.list(list))
    }

    /// `POST /auth/devices`: of a page of ours alone, as that page was made for this session.
    /// - Parameters:
    ///   - change: nil where the form asks for nothing that there is.
    ///   - proof: the `DeviceList.proof` that came with the form.
    ///   - scheme: by which the browser came, if that is known; see `Caller.isOfOwnPage`.
    public func changeDevices(
        _ change: DeviceChange?, proof: String, _ authenticated: AuthenticatedRequest, _ caller: Caller, scheme: String?,
        _ context: borrowing BlockingContext
    ) -> DeviceAnswer {
        guard caller.isOfOwnPage(scheme: scheme) else { return DeviceAnswer(.refused(.foreignSite)) }
        guard FormProof.isProof(proof, for: authenticated) else { return DeviceAnswer(.refused(.outdatedForm)) }
        guard let change else { return DeviceAnswer(.refused(.unknownChange)) }
        guard let ended = try? end(change, authenticated, context) else { return DeviceAnswer(.refused(.unavailable)) }
        forgetRecords(ended)
        if change == .endOthers || !ended.isEmpty {
            security.note(change == .endOthers ? .sessionsEnded : .sessionEnded, from: caller.address, user: authenticated.user.name)
        }
        return DeviceAnswer(.done, cookie: ended.contains(authenticated.session.id) ? SetCookie.cleared(for: caller) : nil)
    }

    /// - Returns: the sessions that ended. One that had ended before, or is somebody else's, is none.
    private func end(
        _ change: DeviceChange, _ authenticated: AuthenticatedRequest, _ context: borrowing BlockingContext
    ) throws -> [String] {
        let now = clock.wall.milliseconds
        let (userID, own) = (authenticated.user.id, authenticated.session.id)
        return try database.write(context) { rows in
            switch change {
            case .endOthers: return try endAll(userID, except: own, in: rows, now)
            case .signOut: return try rows.end(session: own, now: now) ? [own] : []
            case .end(let id):
                guard try rows.session(id)?.userID == userID else { return [] }
                return try rows.end(session: id, now: now) ? [id] : []
            }
        }
    }
}

/// Proves that a form is of a page that was made for this session: a signature of the session's id. All workers make the same one, and it
/// outlives a renewed cookie.
private enum FormProof {
    static func make(_ authenticated: AuthenticatedRequest) -> String {
        String(decoding: Base64URL.encode(authenticated.settings.key.sign(text(authenticated))), as: UTF8.self)
    }

    static func isProof(_ proof: String, for authenticated: AuthenticatedRequest) -> Bool {
        guard let signature = Base64URL.decode(Array(proof.utf8)[...]) else { return false }
        return authenticated.settings.key.isSignature(signature, of: text(authenticated)[...])
    }

    /// No token has a space in what is signed of it.
    private static func text(_ authenticated: AuthenticatedRequest) -> [UInt8] {
        Array("a form of the session \(authenticated.session.id)".utf8)
    }
}
