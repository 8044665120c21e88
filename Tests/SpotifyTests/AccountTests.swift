import Foundation
import Platform
import Testing

@testable import Spotify

/// The connected account's file, and the asking for consent.
@Suite struct AccountTests {
    private let folder: URL
    private let file: AccountFile
    private let credentials = SpotifyCredentials(clientID: "client", clientSecret: "the client secret")
    private let tokens = AccountTokens(refresh: "the refresh token", access: "the access token", accessEndsAt: 1_800_000_000_000)

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("account-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        file = AccountFile(folder: folder.path)
    }

    private var text: String { (try? String(contentsOf: folder.appendingPathComponent(AccountFile.name), encoding: .utf8)) ?? "" }

    @Test("What is kept is opened by the same credentials alone, and nothing of it lies in the clear")
    func sealed() throws {
        #expect(file.standing() == nil && file.tokens(credentials) == nil && file.stamp == nil)
        try file.keep(tokens, consentedAt: 1000, credentials)
        #expect(file.tokens(credentials) == tokens && file.standing() == AccountStanding(consentedAt: 1000, endReason: nil))
        #expect(!text.contains("token") && !text.contains("secret") && !text.contains("client"))
        #expect(file.tokens(SpotifyCredentials(clientID: "client", clientSecret: "another")) == nil)
        #expect(file.tokens(SpotifyCredentials(clientID: "another", clientSecret: "the client secret")) == nil)
        let mode = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(AccountFile.name).path)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        // The day of the consent is sealed with them.
        try text.replacing("1000", with: "2000").write(
            to: folder.appendingPathComponent(AccountFile.name), atomically: true, encoding: .utf8)
        #expect(file.tokens(credentials) == nil)
    }

    @Test("Tokens that were put away are nowhere any more; why stays, until it is removed")
    func ended() throws {
        try file.keep(tokens, consentedAt: 1000, credentials)
        try file.end("Refresh token expired", consentedAt: 1000)
        #expect(file.standing()?.endReason == "Refresh token expired" && file.tokens(credentials) == nil && !text.contains("sealed"))
        #expect(try file.remove() && !(file.remove()) && file.standing() == nil)
    }

    @Test("What is kept from others has a folder that only connecting makes, and that goes with the consent", arguments: [0, 1, 2])
    func privateFolder(_ ending: Int) throws {
        try file.connect(tokens, consentedAt: 1000, isPrivate: true, credentials)
        let own = file.privateFolder(consentedAt: 1000)
        try Data("x".utf8).write(to: URL(fileURLWithPath: own + "/record"))
        try file.keep(tokens, consentedAt: 1000, isPrivate: true, credentials)
        #expect(file.standing()?.isPrivate == true && Files.names(in: own) == ["record"])
        switch ending {
        case 0: #expect(try file.remove())
        case 1: try file.end("taken back", consentedAt: 1000)
        default: try file.connect(tokens, consentedAt: 2000, isPrivate: false, credentials)
        }
        #expect(file.standing()?.isPrivate != true)
        #expect(!Files.names(in: folder.path).contains { $0.hasPrefix("private-") })
        // Who was about to store something finds no place.
        #expect(throws: SystemError.self) { try Files.replace(own + "/record", with: [1]) }
    }

    @Test(
        "A consent lasts six months of the calendar, and is ending in its last thirty days",
        arguments: [("2026-07-15", "2027-01-15"), ("2026-08-31", "2027-02-28"), ("2026-11-26", "2027-05-26")])
    func sixMonths(consent: String, end: String) throws {
        let begin = try Date("\(consent)T12:00:00Z", strategy: .iso8601)
        let standing = AccountStanding(consentedAt: Int64(begin.timeIntervalSince1970 * 1000), endReason: nil)
        #expect(standing.endDay == end)
        let last = WallTime(milliseconds: standing.endsAt)
        #expect(standing.isEnding(now: last - .seconds(29 * 86_400)) && standing.isEnding(now: last + .seconds(1)))
        #expect(!standing.isEnding(now: last - .seconds(31 * 86_400)))
    }

    @Test("Nothing of tokens or requests shows when it is printed")
    func printed() {
        let request = AccountTokenRequest(refresh: "the refresh token", clientID: "client")
        for text in ["\(tokens)", "\(request)", String(reflecting: tokens), String(reflecting: request)] {
            #expect(!text.contains("the "))
        }
        var dumped = ""
        dump(tokens, to: &dumped)
        dump(request, to: &dumped)
        #expect(!dumped.contains("the "))
    }

    @Test("An answer counts with the state of this asking alone, as a request or as a pasted address")
    func answers() throws {
        let consent = AccountConsent(clientID: "client", port: 8898)
        #expect(consent.redirect == "http://127.0.0.1:8898/")
        let state = consent.state
        #expect(consent.answer(in: "/?code=a%2Fb&state=\(state)") == .code("a/b"))
        #expect(consent.answer(in: "http://127.0.0.1:8898/?state=\(state)&code=x#_=_") == .code("x"))
        #expect(consent.answer(in: "/?error=access_denied&state=\(state)") == .denied("access_denied"))
        for forged in [
            "/?code=x", "/?code=x&state=", "/?code=x&state=\(state)x", "/?error=access_denied", "/?code=x&state=\(state)x&state=\(state)",
        ] {
            #expect(consent.answer(in: forged) == .foreign, "\(forged)")
        }
        for none in ["/", "/favicon.ico", "", "/?x=y", "nonsense", "/?state=\(state)"] {
            #expect(consent.answer(in: none) == .none, "\(none)")
        }
    }

    @Test("Each asking has a verifier and a state of its own, and the address shows only the verifier's digest")
    func address() throws {
        let (one, other) = (AccountConsent(clientID: "client", port: 8898), AccountConsent(clientID: "client", port: 8898))
        #expect(one.verifier != other.verifier && one.state != other.state && (43...128).contains(one.verifier.utf8.count))
        let address = one.address(at: "https://accounts.spotify.com")
        #expect(address.hasPrefix("https://accounts.spotify.com/authorize?response_type=code&client_id=client&"))
        #expect(
            address.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A8898%2F") && !address.contains(one.verifier)
                && !address.contains("scope"))
    }
}
