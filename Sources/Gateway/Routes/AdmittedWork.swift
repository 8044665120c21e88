import FastCGI
import Platform
import Sessions

/// What a route below `/auth/` does, with whom it lets in: made together, so that what is declared, described and done about access is one thing.
struct AdmittedWork {
    let access: Access
    let run: @Sendable (Sessions, Caller, RoutedRequest) -> Outcome

    private init(access: Access, run: @escaping @Sendable (Sessions, Caller, RoutedRequest) -> Outcome) {
        self.access = access
        self.run = run
    }

    /// The same, but for requests that are answered before anybody is asked for a token.
    func unless(_ answered: @escaping @Sendable (Sessions, RoutedRequest) -> Outcome?) -> AdmittedWork {
        AdmittedWork(access: access) { sessions, caller, routed in answered(sessions, routed) ?? run(sessions, caller, routed) }
    }

    /// How long the caller of what another server carries out may be parked: a hash may have to wait its turn.
    static let longestWait = Duration.seconds(30)

    /// What asks nothing of a token, and what takes a bad one for none. Where it changes something the sessions refuse pages of other sites.
    static func open(_ work: @escaping @Sendable (Sessions, Caller, RoutedRequest) -> Outcome) -> AdmittedWork {
        AdmittedWork(access: .open, run: work)
    }

    static func permissive(_ work: @escaping @Sendable (Sessions, Caller, RoutedRequest) -> Outcome) -> AdmittedWork {
        AdmittedWork(access: .permissive, run: work)
    }

    // The request itself is the event thread's: what is needed of it is taken first, and the work made with it.

    typealias Work<Asker, Made> = @Sendable (RoutedRequest) -> @Sendable (Sessions, Asker, Caller) -> Made

    /// What is done on an event thread, once it is known whom it is for.
    /// - Parameter refusal: of who is not let in.
    static func atOnce<Asker>(
        _ requirement: Requirement<Asker>, refusal: @escaping @Sendable (Refused) -> Response = Self.refusal,
        _ work: @escaping Work<Asker, Outcome>
    ) -> AdmittedWork {
        AdmittedWork(access: Access(requirement.token)) { sessions, caller, routed in
            let work = work(routed)
            @Sendable func proceed(_ authentication: Authentication) -> Outcome {
                do throws(Refused) {
                    return work(sessions, try requirement.asker(authentication), caller)
                } catch {
                    return .now(refusal(error))
                }
            }
            let authentication = sessions.authenticate(caller, requirement, changes: routed.request.changesSomething)
            guard case .needsWrite(let pending) = authentication else { return proceed(authentication) }
            return pending.parked(otherwise: refusal(.unavailable), proceed)
        }
    }

    @Sendable private static func refusal(_ refused: Refused) -> Response { AuthResponse.response(Answer.refused(refused)) }

    typealias Errand<Asker, Made> =
        @Sendable (RoutedRequest) -> @Sendable (Sessions, Asker, Caller, borrowing BlockingContext) -> Made

    /// What is done by a thread that may wait.
    static func errand<Asker>(
        _ worker: BlockingWorker, _ requirement: Requirement<Asker>, _ work: @escaping Errand<Asker, Answer>
    ) -> AdmittedWork {
        blocking(worker, requirement, work) { AuthResponse.response($0) }
    }

    /// The same for people.
    static func page<Asker>(
        _ worker: BlockingWorker, _ requirement: Requirement<Asker>, _ work: @escaping Errand<Asker, DeviceAnswer>
    ) -> AdmittedWork {
        blocking(worker, requirement, work) { answer in
            AuthResponse.dressed(DevicesPage.response(answer.outcome), cookies: [answer.cookie].compactMap(\.self))
        }
    }

    private static func blocking<Asker, Made: SessionAnswer>(
        _ worker: BlockingWorker, _ requirement: Requirement<Asker>, _ work: @escaping Errand<Asker, Made>,
        _ response: @escaping @Sendable (Made) -> Response
    ) -> AdmittedWork {
        AdmittedWork(access: Access(requirement.token)) { sessions, caller, routed in
            let (work, changes) = (work(routed), routed.request.changesSomething)
            return worker.run(.swingmusic) { context in
                let made = sessions.admit(caller, requirement, changes: changes, context) { work(sessions, $0, caller, context) }
                return response(made ?? .refused(.unavailable))
            }
        }
    }

    /// A request that swingmusic carries out if the sessions say so.
    struct Handed: Sendable {
        let body: FormBody
        /// Names it, for `Sessions.handingFailed`.
        let name: String
        /// To be called where the sessions answer nil.
        let finish: @Sendable (Handing) -> Void
    }

    /// What swingmusic carries out if `work` says so.
    /// - Parameter work: done again for as long as another request may come to nothing.
    static func hand<Asker>(
        _ worker: BlockingWorker, _ requirement: Requirement<Asker>,
        _ work: @escaping @Sendable (Sessions, Asker, Caller, Handed, borrowing BlockingContext) -> Handing?
    ) -> AdmittedWork {
        AdmittedWork(access: Access(requirement.token)) { sessions, caller, routed in
            let (body, changes) = (FormBody(routed.request), routed.request.changesSomething)
            let sent = routed.request.parameter("REQUEST_ID") ?? ""
            let name = sent.isEmpty ? Sessions.nameForRequest() : sent
            return worker.attempt(.swingmusic, patience: longestWait) { context, isLast, answer in
                let handed = Handed(body: body, name: name) { answer(AuthResponse.response($0)) }
                let handing = sessions.admit(caller, requirement, changes: changes, context) { work(sessions, $0, caller, handed, context) }
                guard let handing else { return .handedOver }
                if case .contested = handing, !isLast { return .again }
                return .done(AuthResponse.response(handing))
            }
        }
    }

    /// An id with dots and slashes in it must not become another route.
    static func asSent(_ work: AdmittedWork) -> AdmittedWork {
        AdmittedWork(access: work.access) { sessions, caller, routed in
            guard RawPath(routed.request)?.isAs(compared: routed.request) != false else {
                return .now(
                    AuthResponse.dressed(ErrorFormat.swingmusic.error(BadRequest.changedPath.status, BadRequest.changedPath.message)))
            }
            return work.run(sessions, caller, routed)
        }
    }
}

extension Access {
    /// As a route is declared that asks for this token.
    fileprivate init(_ token: RequiredToken) {
        switch token {
        case .access: self = .session
        case .refresh: self = .refresh
        case .optional: self = .optional
        }
    }
}
