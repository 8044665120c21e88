import FastCGI
import Foundation
import GRDB
import Logging

@testable import Gateway

/// A worker's whole Gateway over a folder of its own, with swingmusic's beside it, asked by an admin unless said otherwise.
final class GatewayStage {
    let gateway: Gateway
    private let folder: String

    /// Whose token a request has: HS256 under the key `key`.
    enum Asker: CaseIterable {
        case nobody, user, admin
        /// An admin whose token's time is over.
        case ended

        var token: String? {
            switch self {
            case .nobody: nil
            // {"sub":{"id":2}}
            case .user: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjJ9fQ.X5DAao_BvEsnJf80utw1ypX2qCfWmn_SXRukVIZHm5k"
            // {"sub":{"id":1}}
            case .admin: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjF9fQ.1aKizs8_ya4AWFP5xWskRN8XVFVh-CToGXpfIR7ktTs"
            // {"sub":{"id":1},"exp":1}
            case .ended: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjF9LCJleHAiOjF9.6RsamsCaAY9UpuvohTPF_E9dKdwRdFLPEkz7j8IkOtM"
            }
        }
    }

    /// - Parameter environment: settings beside the folders.
    init(_ environment: [String: String] = [:]) throws {
        folder = NSTemporaryDirectory() + "gateway-stage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try #"{"serverId":"key","usersOnLogin":true}"#.write(toFile: folder + "/settings.json", atomically: true, encoding: .utf8)
        let queue = try DatabaseQueue(path: folder + "/swingmusic.db")
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    CREATE TABLE user (id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL,
                        roles JSON NOT NULL, extra JSON, PRIMARY KEY (id));
                    INSERT INTO user (password, username, roles) VALUES ('x', 'admin', '["admin"]'), ('x', 'bob', '[]')
                    """)
        }
        try queue.close()
        let settings = try Settings(
            environment: environment.merging(["SWINGMUSIC_FCGI_DATA_DIR": folder, "SWINGMUSIC_CONFIG_DIR": folder]) { own, _ in own })
        gateway = try Gateway(
            settings: settings, worker: "test", version: "0", log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        // Seen for the first time the tokens are written down, which no event thread does.
        for asker in Asker.allCases { _ = gateway.router.handle(request("GET", "/auth/verify", [], asker)).waitedFor() }
    }

    deinit {
        gateway.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// nil for an answer that comes later.
    func ask(_ method: String, _ path: String, _ more: [(String, String)] = [], by asker: Asker = .admin) -> Response? {
        guard case .now(let response) = gateway.router.handle(request(method, path, more, asker)) else { return nil }
        return response
    }

    private func request(_ method: String, _ path: String, _ more: [(String, String)], _ asker: Asker) -> Request {
        var parameters =
            more + [
                ("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("HTTP_HOST", "music.example"), ("REMOTE_ADDR", "192.0.2.1"),
            ]
        if let token = asker.token { parameters.append(("HTTP_AUTHORIZATION", "Bearer \(token)")) }
        return Request(testing: parameters)
    }
}
