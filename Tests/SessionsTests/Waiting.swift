import Testing

@testable import Platform
@testable import Sessions

/// The routes as they are asked by a thread that may wait: a test's.
extension Sessions {
    func refresh(_ caller: Caller) -> Answer {
        admitted(caller, .refresh) { sessions, request, context in sessions.refresh(request, context) }
    }

    func logout(_ caller: Caller) -> Answer { logout(caller, BlockingContext()) }

    func pairCode(_ caller: Caller) -> Answer {
        admitted(caller, .session(.firstCounts, changes: true)) { sessions, request, context in sessions.pairCode(request, context) }
    }

    func pair(_ caller: Caller, code: String?) -> Answer {
        admitted(caller, .optional(.firstCounts), changes: false) { sessions, _, context in sessions.pair(caller, code: code, context) }
    }

    func list(_ caller: Caller, user: String?) -> Answer {
        admitted(caller, .session(), changes: false) { sessions, request, context in sessions.list(request, caller, user: user, context) }
    }

    func end(_ caller: Caller, session id: String) -> Answer {
        admitted(caller, .session()) { sessions, request, context in sessions.end(request, caller, session: id, context) }
    }

    func endOthers(_ caller: Caller) -> Answer {
        admitted(caller, .session()) { sessions, request, context in sessions.endOthers(request, caller, context) }
    }

    func devices(_ caller: Caller) -> DeviceAnswer {
        admitted(caller, .session(), changes: false) { sessions, request, context in sessions.devices(request, caller, context) }
    }

    func changeDevices(_ change: DeviceChange?, proof: String, _ caller: Caller, scheme: String?) -> DeviceAnswer {
        admitted(caller, .session()) { sessions, request, context in
            sessions.changeDevices(change, proof: proof, request, caller, scheme: scheme, context)
        }
    }

    func createUser(_ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest()) -> Handing {
        admitted(caller, .optional()) { sessions, authentication, context in
            sessions.createUser(body, authentication, caller, as: request, context)
        }
    }

    func createGuest(_ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest()) -> Handing {
        admitted(caller, .session()) { sessions, user, context in sessions.createGuest(body, user, caller, as: request, context) }
    }

    func deleteUser(_ body: FormBody, _ caller: Caller) -> Handing {
        admitted(caller, .session()) { sessions, user, context in sessions.deleteUser(body, user, caller, context) }
    }

    func updateProfile(
        _ body: FormBody, _ caller: Caller, as request: String = Sessions.nameForRequest(),
        completion: @escaping @Sendable (Handing) -> Void
    ) -> Handing? {
        let context = BlockingContext()
        return admit(caller, .session(), changes: true, context) { user in
            updateProfile(body, user, caller, as: request, context, completion: completion)
        }
    }

    private func admitted<Asker, Made: SessionAnswer>(
        _ caller: Caller, _ requirement: Requirement<Asker>, changes: Bool = true,
        _ work: (Sessions, Asker, borrowing BlockingContext) -> Made
    ) -> Made {
        let context = BlockingContext()
        return admit(caller, requirement, changes: changes, context) { work(self, $0, context) } ?? .refused(.unavailable)
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

    func user(_ caller: Caller) -> Answer {
        do throws(Refused) {
            return user(try authenticated(caller, duplicates: .firstCounts).signedIn())
        } catch {
            return .refused(error)
        }
    }

    func users(_ caller: Caller, simplified: String?) -> Answer {
        do throws(Refused) {
            let requirement = Requirement<Authentication>.optional(.firstCounts)
            let authentication = try requirement.asker(authenticated(caller, duplicates: .firstCounts, renewal: .never))
            return users(authentication, simplified: simplified, waits: true) ?? .unavailable
        } catch {
            return .refused(error)
        }
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

extension Authentication {
    /// Why it may not pass to where a role is wanted.
    func refusal(without role: String?) -> Refused? {
        do throws(Refused) {
            return try signedIn().refusal(without: role)
        } catch {
            return error
        }
    }
}
