import FastCGI
import Foundation
import GRDB
import Logging

@testable import Gateway

/// A worker's whole Gateway over a folder of its own, with swingmusic's beside it, asked by an admin.
final class GatewayStage {
    let gateway: Gateway
    private let folder: String
    /// HS256 under the key `key`: `{"sub":{"id":1}}`.
    private static let admin = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjF9fQ.1aKizs8_ya4AWFP5xWskRN8XVFVh-CToGXpfIR7ktTs"

    init() throws {
        folder = NSTemporaryDirectory() + "gateway-stage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try #"{"serverId":"key","usersOnLogin":true}"#.write(toFile: folder + "/settings.json", atomically: true, encoding: .utf8)
        let queue = try DatabaseQueue(path: folder + "/swingmusic.db")
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    CREATE TABLE user (id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL,
                        roles JSON NOT NULL, extra JSON, PRIMARY KEY (id));
                    INSERT INTO user (password, username, roles) VALUES ('x', 'admin', '["admin"]')
                    """)
        }
        try queue.close()
        let settings = try Settings(environment: ["SWINGMUSIC_FCGI_DATA_DIR": folder, "SWINGMUSIC_CONFIG_DIR": folder])
        gateway = try Gateway(
            settings: settings, worker: "test", version: "0", log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        // Seen for the first time the token is written down, which no event thread does.
        _ = gateway.router.handle(request("GET", "/auth/verify")).waitedFor()
    }

    deinit {
        gateway.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// nil for an answer that comes later.
    func ask(_ method: String, _ path: String) -> Response? {
        guard case .now(let response) = gateway.router.handle(request(method, path)) else { return nil }
        return response
    }

    private func request(_ method: String, _ path: String) -> Request {
        let parameters = [
            ("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("HTTP_HOST", "music.example"), ("REMOTE_ADDR", "192.0.2.1"),
            ("HTTP_AUTHORIZATION", "Bearer \(Self.admin)"),
        ]
        return Request(testing: parameters)
    }
}
