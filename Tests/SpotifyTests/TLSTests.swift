import CSystem
import Foundation
import Testing

@testable import Spotify

@Suite struct TLSTests {
    @Test("a certificate that nobody vouches for ends the call before the gate, and before a token request sends the secret")
    func untrusted() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.appending(path: "certificate.pem").path, folder.appending(path: "key.pem").path)
        try StandIn.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ])
        let standIn = try StandIn(["--tls", certificate, key])
        let client = try SpotifyClient(endpoints: .init(apiURL: standIn.address, accountsURL: standIn.address), log: .init(label: "test"))
        var asked = false
        var call: CallResult?
        var token: Result<AccessToken, SpotifyError>?
        client.begin {
            asked = true
            return .hold
        } completion: {
            call = $0
        }
        client.requestToken(SpotifyCredentials(clientID: "a", clientSecret: "b")) { token = $0 }
        let end = csys_monotonic_ns() + 5_000_000_000
        while client.active > 0, csys_monotonic_ns() < end { client.poll(for: .milliseconds(50), wake: nil) }
        guard case .failure(.unreachable(let reason)) = call, case .failure(.unreachable) = token else {
            Issue.record("\(String(describing: call)) \(String(describing: token))")
            return
        }
        #expect(reason.contains("certificate"))
        #expect(!asked)
    }
}
