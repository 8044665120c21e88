import FastCGI
import Foundation
import JSON
import Platform
import Sessions

/// `/spotify/api/token`: where clients of the mirror get a token, as they get Spotify's at accounts.spotify.com/api/token (Web API,
/// "Client Credentials Flow"). On a host name of its own nginx leads `/api/token` here.
struct TokenRoutes: RouteFamily {
    /// nil without `SWINGMUSIC_CONFIG_DIR`.
    let sessions: Sessions?
    /// Whether a client key is wanted; else any id and secret will do.
    let needsKey: Bool
    let blockingWorker: BlockingWorker

    let prefix = "/spotify/api/"
    let tag = "token"
    let label = Counter.Family.spotify
    let about = """
        Tokens for clients of the mirror, given as accounts.spotify.com gives them: for the id and secret of a client key, or for any while \
        metadata is open to all. They open what reads /spotify/v1 for an hour, and nothing else.
        """
    let errorFormat = ErrorFormat.accounts
    var schemas: KeyValuePairs<String, Schema> { ["TokenError": TokenError.schema] }

    private static let wantedGrant = "client_credentials"
    private static let grant = BodyMember("grant_type", .constant(wantedGrant))
    private static let (id, secret) = (BodyMember("client_id", .text), BodyMember("client_secret", .text))

    var routes: [Route] {
        [
            Route(
                .post, "token", id: "token", access: .open, summary: "A token for a client.",
                about:
                    "The id and secret are read from an Authorization header of the scheme Basic, else from the body; never from the query.",
                body: .form([Self.grant], optional: [Self.id, Self.secret]),
                answers: [
                    .json(
                        200, "The token, and for how many seconds it is good.",
                        .object(["access_token": .text, "token_type": .constant("Bearer"), "expires_in": .integer(1)])),
                    Self.refused(400, "Another grant, or an id and secret that are none of a client key's."),
                    Self.refused(415, "A body that is no form."),
                    Self.refused(429, "Ten wrong secrets in a minute from the address, or sixty tokens in a minute for the key."),
                    Self.refused(503, "The sessions cannot be used, or the server is busy."),
                ], handler: answer)
        ]
    }

    private static func refused(_ status: Int, _ about: String) -> DescribedAnswer {
        .json(status, about, .named("TokenError"), headers: DescribedHeader.always(with: status))
    }

    @Sendable private func answer(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let request = routed.request
        let type = (request.parameter("CONTENT_TYPE") ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard type == DescribedBody.formType else {
            return .now(TokenError.mediaType.response(415, "The Content-Type must be \(DescribedBody.formType)"))
        }
        let body = Query(String(decoding: routed.body, as: UTF8.self))
        guard body[Self.grant.name] == Self.wantedGrant else {
            return .now(TokenError.grant.response(400, "\(Self.grant.name) must be \(Self.wantedGrant)"))
        }
        let client = Self.basic(request.parameter("HTTP_AUTHORIZATION") ?? "") ?? (body[Self.id.name] ?? "", body[Self.secret.name] ?? "")
        guard !client.id.isEmpty, !client.secret.isEmpty else { return .now(TokenError.client.response(400, Self.wanted)) }
        // Open to all is open to whatever comes with a token; this one is nobody's.
        guard needsKey else { return .now(Self.response(to: .token(ClientToken.make(), seconds: ClientToken.lifetime))) }
        guard let sessions else {
            return .now(errorFormat.unavailable("There are no sessions here, and so no client keys", .noSessions, retryAfter: .seconds(60)))
        }
        let address = request.parameter("REMOTE_ADDR") ?? ""
        return blockingWorker.run(errorFormat) { context in
            Self.response(to: sessions.grantToken(id: client.id, secret: client.secret, address: address, context))
        }
    }

    /// RFC 7617. nil for another scheme, or what is no such pair.
    private static func basic(_ header: String) -> (id: String, secret: String)? {
        let parts = header.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "basic", let bytes = Data(base64Encoded: String(parts[1])),
            let text = String(validating: bytes, as: UTF8.self), let colon = text.firstIndex(of: ":")
        else { return nil }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    /// Libraries show it to their users.
    private static let wanted = """
        Invalid client: wanted are the id and secret of a client key of this server, none of Spotify's; an administrator makes one with \
        'swingmusic-fcgi keys add NAME'
        """

    private static func response(to grant: ClientGrant) -> Response {
        switch grant {
        case .token(let text, let seconds):
            let body: JSONValue = ["access_token": .string(text), "token_type": "Bearer", "expires_in": .integer(seconds)]
            var response = Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: body))
            response.add("Cache-Control", "no-store")
            return response
        case .wrong: return TokenError.client.response(400, wanted)
        case .tooMany(let wait):
            var response = TokenError.tooMany.response(429, "Too many tries; come back when Retry-After says")
            response.add(retryAfter: .seconds(wait))
            return response
        case .unavailable:
            return ErrorFormat.accounts.unavailable("The sessions cannot be used at the moment", .sessions, retryAfter: .seconds(5))
        }
    }
}

/// `/swingmusic-fcgi/keys`: client keys, for the administrator. Served in the family of `HealthRoutes`.
struct KeyRoutes: Sendable {
    /// nil without `SWINGMUSIC_CONFIG_DIR`.
    let sessions: Sessions?
    let blockingWorker: BlockingWorker
    let security: SecurityLog

    private static let errorFormat = ErrorFormat.plain
    private static let given = BodyMember("name", .text(pattern: ClientKey.namePattern))
    private static let name = Parameter.path("name", "The key's name.", .text(pattern: ClientKey.namePattern), example: "no-such-key")

    var routes: [Route] {
        [
            Route(
                .get, "keys", id: "clientKeys", access: .admin, summary: "The client keys.",
                answers: [.json(200, "By name, without secrets.", .object(["keys": .list(of: .named("ClientKey"))]))]
                    + Refusals.all([503])
            ) { _ in
                run { sessions, context in
                    Self.json(["keys": .array(try sessions.clientKeys(context).map(Self.tree))])
                }
            },
            Route(
                .post, "keys", id: "addClientKey", access: .admin, summary: "Make a client key.",
                about: "Its secret is in this answer and never shown again.",
                body: .object([Self.given], optional: [], example: ["name": "kitchen"]),
                answers: [
                    .json(201, "The key.", .named("NewClientKey")), .json(409, "There is a key of that name.", .named("Error")),
                ] + Refusals.all([400, 503])
            ) { routed throws(BadRequest) in
                guard let name = try routed.object().string(Self.given), ClientKey.isName(name) else {
                    throw BadRequest(
                        400, "name must be letters, digits, dots, hyphens and underscores, 64 at most, a letter or digit first")
                }
                let (address, actor) = (routed.request.parameter("REMOTE_ADDR") ?? "", routed.actor)
                return run { sessions, context in
                    do {
                        let key = try sessions.addClientKey(named: name, context)
                        security.note(.keyMade, from: address, by: actor, key: name)
                        return Self.json(["name": .string(key.name), "id": .string(key.id), "secret": .string(key.secret)], status: 201)
                    } catch ClientKeyFault.taken {
                        return Self.errorFormat.error(409, "There is a key of that name")
                    }
                }
            },
            Route(
                .delete, "keys/{name}", id: "revokeClientKey", access: .admin, summary: "End a client key, and every token of it.",
                parameters: [Self.name],
                answers: [.json(200, "Ended, at every worker with the next request.", .object(["revoked": .text]))]
                    + Refusals.all([404, 503])
            ) { routed in
                let name = routed.given[Self.name] ?? ""
                let (address, actor) = (routed.request.parameter("REMOTE_ADDR") ?? "", routed.actor)
                return run { sessions, context in
                    guard try sessions.revokeClientKey(named: name, context) else {
                        return Self.errorFormat.error(404, "There is no key of that name")
                    }
                    security.note(.keyRevoked, from: address, by: actor, key: name)
                    return Self.json(["revoked": .string(name)])
                }
            },
        ]
    }

    private func run(_ work: @escaping @Sendable (Sessions, borrowing BlockingContext) throws -> Response) -> Outcome {
        guard let sessions else {
            return .now(
                Self.errorFormat.unavailable(
                    "There are no sessions here: SWINGMUSIC_CONFIG_DIR is not set", .noSessions, retryAfter: .seconds(60)))
        }
        return blockingWorker.run(Self.errorFormat) { context in
            (try? work(sessions, context))
                ?? Self.errorFormat.unavailable("sessions.db cannot be used at the moment", .sessions, retryAfter: .seconds(5))
        }
    }

    private static func tree(_ key: ClientKey) -> JSONValue {
        [
            "name": .string(key.name), "id": .string(key.id), "createdAt": .integer(key.createdAt),
            "usedAt": key.usedAt.map(JSONValue.integer) ?? .null,
        ]
    }

    private static func json(_ value: JSONValue, status: Int = 200) -> Response {
        var response = Response(status: status, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: value))
        response.add("Cache-Control", "no-store")
        return response
    }
}
