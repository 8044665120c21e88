import FastCGI

/// The routes below `/auth/`.
enum AuthRoute: Equatable {
    case login, user, users, refresh, pairCode, pair, logout
    case verify
    case sessions
    case session(String)
    case updateProfile, createUser, createGuest, deleteUser

    /// What swingmusic says to a path and a method.
    enum Match: Equatable {
        case route(AuthRoute)
        case notFound
        case methodNotAllowed(allowed: String)
    }

    /// - Parameter path: what follows `/auth/`.
    static func match(_ path: Substring, _ method: Method) -> Match {
        let routes = routes(path)
        if let found = routes.first(where: { $0.method == method || ($0.method == .get && method == .head) }) { return .route(found.route) }
        // A GET that no route takes falls to swingmusic's file route, which has no such file.
        if routes.isEmpty || method == .get || method == .head { return .notFound }
        return .methodNotAllowed(allowed: allowed(routes.map(\.method)))
    }

    /// Whether a request to this path is answered without a token having been looked at first.
    static func isExempt(_ path: Substring) -> Bool {
        ["login", "users", "pair", "logout", "refresh", "profile/create"].contains(where: path.hasPrefix)
    }

    /// Whether sessions end by that method, and the path has a text in it that says which.
    func endsSessions(_ method: Method) -> Bool {
        switch self {
        case .sessions, .session: method == .delete
        default: false
        }
    }

    private static func routes(_ path: Substring) -> [(method: Method, route: AuthRoute)] {
        switch path {
        case "login": [(.post, .login)]
        case "user": [(.get, .user)]
        case "users": [(.get, .users)]
        case "refresh": [(.post, .refresh)]
        case "getpaircode": [(.get, .pairCode)]
        case "pair": [(.get, .pair)]
        case "logout": [(.get, .logout)]
        case "sessions": [(.get, .sessions), (.delete, .sessions)]
        case "profile/update": [(.put, .updateProfile)]
        case "profile/create": [(.post, .createUser)]
        case "profile/guest/create": [(.post, .createGuest)]
        case "profile/delete": [(.delete, .deleteUser)]
        default: one(path)
        }
    }

    private static func one(_ path: Substring) -> [(method: Method, route: AuthRoute)] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "sessions", !parts[1].isEmpty else { return [] }
        return [(.delete, .session(String(parts[1])))]
    }

    private static func allowed(_ methods: [Method]) -> String {
        (methods.map(name) + ["OPTIONS"]).joined(separator: ", ")
    }

    private static func name(_ method: Method) -> String {
        switch method {
        case .get: "GET, HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        default: ""
        }
    }
}
