import Testing

@testable import Platform
@testable import Sessions

/// The routes as they are asked by a thread that may wait: a test's.
extension Sessions {
    func refresh(_ caller: Caller) -> Answer { refresh(caller, BlockingContext()) }
    func logout(_ caller: Caller) -> Answer { logout(caller, BlockingContext()) }
    func pairCode(_ caller: Caller) -> Answer { pairCode(caller, BlockingContext()) }
    func pair(_ caller: Caller, code: String?) -> Answer { pair(caller, code: code, BlockingContext()) }
    func list(_ caller: Caller, user: String?) -> Answer { list(caller, user: user, BlockingContext()) }
    func end(_ caller: Caller, session id: String) -> Answer { end(caller, session: id, BlockingContext()) }
    func endOthers(_ caller: Caller) -> Answer { endOthers(caller, BlockingContext()) }
    func devices(_ caller: Caller) -> (outcome: DeviceOutcome, cookie: String?) { devices(caller, BlockingContext()) }

    func changeDevices(_ change: DeviceChange?, proof: String, _ caller: Caller, scheme: String?) -> (
        outcome: DeviceOutcome, cookie: String?
    ) {
        changeDevices(change, proof: proof, caller, scheme: scheme, BlockingContext())
    }

    func createUser(_ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest()) -> Handing {
        createUser(body, caller, as: request, BlockingContext())
    }

    func createGuest(_ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest()) -> Handing {
        createGuest(body, caller, as: request, BlockingContext())
    }

    func deleteUser(_ body: FormBody, _ caller: Caller) -> Handing { deleteUser(body, caller, BlockingContext()) }

    func updateProfile(
        _ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest(),
        completion: @escaping @Sendable (Handing) -> Void
    ) -> Handing? {
        updateProfile(body, caller, as: request, BlockingContext(), completion: completion)
    }

    func expectPasswordChange(_ caller: Caller) { expectPasswordChange(caller, BlockingContext()) }
    func handingFailed(_ request: String) { handingFailed(request, BlockingContext()) }
    func open() { open(BlockingContext()) }
    func maintain() { maintain(BlockingContext()) }
    func userIDs(of text: String) throws -> [Int64] { try userIDs(of: text, BlockingContext()) }
    func forget(userID: Int64) throws -> ForgottenUser? { try forget(userID: userID, BlockingContext()) }
    func all() throws -> [ShownSession] { try all(BlockingContext()) }
    func end(session id: String) throws -> Bool { try end(session: id, BlockingContext()) }
    func endAll(userNamed name: String) throws -> Int? { try endAll(userNamed: name, BlockingContext()) }
    func endEverything() throws -> Int { try endEverything(BlockingContext()) }

    func openSessions(of userID: Int64?, current: String?) throws -> [ShownSession] {
        try openSessions(of: userID, current: current, BlockingContext())
    }
}

extension SessionDatabase {
    func read<Result>(_ body: (SessionRows) throws -> Result) throws -> Result { try read(BlockingContext(), .brief, body) }
    func write<Result>(_ body: (SessionTables) throws -> Result) throws -> Result { try write(BlockingContext(), .brief, body) }
}

extension PendingAuthentication {
    /// Waits for the sessions' thread.
    func wait() -> Authentication {
        let found = Monitor<Authentication?>(nil)
        settle { authentication in found.update { $0 = authentication } }
        return found.wait(within: .seconds(30)) { $0 } ?? .refused(.unavailable)
    }
}

/// What is asked on event threads, and waited for where they would park the request.
extension Sessions {
    func authenticated(
        _ caller: Caller, changes: Bool = false, duplicates: DuplicateCookies = .refused, renewal: RenewalDelivery = .withAnswer
    ) -> Authentication {
        let authentication = authenticate(caller, changes: changes, duplicates: duplicates, renewal: renewal)
        guard case .needsWrite(let pending) = authentication else { return authentication }
        return pending.wait()
    }

    func user(_ caller: Caller) -> Answer { user(authenticated(caller, duplicates: .firstCounts)) }

    func users(_ caller: Caller, simplified: String?) -> Answer {
        users(authenticated(caller, duplicates: .firstCounts, renewal: .never), simplified: simplified, waits: true) ?? .unavailable
    }

    struct Verified {
        let status: Int
        let message: String?
        let user: User?
        let cookie: String?
    }

    /// As a guarded location asks, with the statuses that nginx is told.
    func verify(_ caller: Caller, method: String, role: String?) -> Verified {
        let authentication = authenticated(caller, changes: !["GET", "HEAD", "OPTIONS"].contains(method))
        let refused = authentication.refusal(without: role)
        let status = refused.map { $0.status == 403 || $0.status >= 500 ? 403 : 401 } ?? 204
        return Verified(
            status: status, message: refused?.message, user: authentication.user?.user, cookie: authentication.user?.renewal)
    }
}
