import Caching
import FastCGI
import Foundation
import Logging
import Spotify
import RateLimiting
import Testing

@testable import Catalog
@testable import Gateway
@testable import Sessions

/// The metadata routes over real files, without a socket and without credentials: what would be looked up is `.later`.
final class RouterStage {
    let folder: URL
    let caches: Caches
    let rateLimiter: FileRateLimiter
    let catalog: Catalog
    let router: Router

    /// - Parameters:
    ///   - user: whose session every request has; nil: nobody's.
    ///   - isOpen: metadata is for anybody.
    init(user: Int? = nil, fillsRemovedFields: Bool = false, isOpen: Bool = true) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("gateway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        caches = try Caches(CachesConfiguration(path: folder.path + "/cache.db", memoryLifetime: .zero), log: log)
        rateLimiter = try FileRateLimiter(
            path: folder.path + "/limiter.db", rateLimit: RateLimit(interval: .seconds(2), callsPerWindow: 1000), queueLimit: 100,
            leaseLifetime: .seconds(15), log: log)
        catalog = try Catalog(
            caches: caches, rateLimiter: rateLimiter,
            configuration: CatalogConfiguration(
                credentials: nil, endpoints: SpotifyEndpoints(), market: nil, recordTTL: .seconds(43_200), temporaryTTL: .seconds(3600),
                worker: "test"),
            log: log)
        let responder = MetadataResponder(catalog: catalog, missWait: .seconds(25), mirrorWait: .seconds(4), publicURL: nil, isOpen: isOpen)
        let authenticator: any RequestAuthenticator = try user.map { try OneUser(id: $0) } ?? NobodyKnown()
        let accessControl = AccessControl(authenticator: authenticator, metadataNeedsSession: false, adminToken: nil)
        router = Router(
            families: [
                SpotifyRoutes(responder: responder, fillsRemovedFields: fillsRemovedFields),
                CatalogRoutes(responder: responder, blockingWorker: BlockingWorker(name: "errands")),
            ], accessControl: accessControl)
    }

    deinit {
        catalog.stop()
        caches.close()
        try? FileManager.default.removeItem(at: folder)
    }

    private struct OneUser: RequestAuthenticator {
        let user: AuthenticatedRequest

        init(id: Int) throws {
            let settings = try #require(SwingmusicSettings(text: Array(#"{"serverId":"key"}"#.utf8)))
            let account = Account(
                user: User(id: Int64(id), name: "anna", image: nil, rolesText: "[]", extraText: nil), passwordHash: "x")
            let text = TokenIssuer(key: settings.key).make(.access, subject: account.user.subject, second: 0, identifier: "x").text
            user = AuthenticatedRequest(
                account: account, token: try TokenReader.read(Array(text.utf8), key: settings.key),
                session: KnownSession(id: "x", userID: Int64(id), beganAt: 0), place: .cookie, settings: settings)
        }

        func authenticate(_ request: Request, takesClients: Bool) -> Authentication { .authenticated(.user(user)) }
    }

    /// nil when the request would wait for a lookup.
    func ask(_ method: String, _ path: String, query: String = "", body: String? = nil, headers: [(String, String)] = []) -> Response? {
        var parameters = [("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("QUERY_STRING", query), ("HTTP_HOST", "music.example")]
        parameters += [("REMOTE_ADDR", "192.0.2.1")] + headers
        let outcome = router.handle(Request(testing: parameters, body: body.map { .bytes(Array($0.utf8)) } ?? .none))
        guard case .now(let response) = outcome else { return nil }
        return response
    }

    func get(_ path: String, _ query: String = "") -> Response? { ask("GET", path, query: query) }

    func learn(_ resource: Resource, _ json: String) throws {
        guard let parsed = ParsedAnswer(resource, Array(json.utf8)) else { throw Unreadable() }
        try catalog.records.recordStore.store(parsed)
    }

    struct Unreadable: Error {}
}

extension Response {
    var text: String { String(decoding: body, as: UTF8.self) }
}
