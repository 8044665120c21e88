import Foundation
import Logging
import Testing

@testable import Spotify

@Suite struct SecrecyTests {
    @Test("neither printing nor dumping shows a secret or a token")
    func values() {
        var text = ""
        let credentials = SpotifyCredentials(clientID: "client", clientSecret: "hush")
        for value: Any in [credentials, AccessToken(token: "hush", expiresIn: .seconds(1)), Gate.send(target: "/v1", bearer: "hush")] {
            print(value, String(reflecting: value), [value], to: &text)
            dump(value, to: &text)
        }
        dump([Optional(credentials)], to: &text)
        #expect(!text.contains("hush"))
        #expect(text.contains("client"))
    }

    @Test("a mark tells credentials apart, is another each time, and shows neither id nor secret")
    func marks() {
        let credentials = SpotifyCredentials(clientID: "client", clientSecret: "hush")
        let mark = credentials.mark()
        #expect(credentials.fits(mark) && credentials.mark() != mark)
        #expect(!mark.contains("client") && !mark.contains("hush"))
        for other in [("client", "other"), ("other", "hush"), ("clienth", "ush"), ("", "clienthush")] {
            #expect(!SpotifyCredentials(clientID: other.0, clientSecret: other.1).fits(mark))
        }
        for rubbish in ["", ".", "x", "x.y"] { #expect(!credentials.fits(rubbish)) }
    }

    @Test("the log of calls, failures and renewals holds neither secret nor token")
    func log() throws {
        let lines = Lines()
        var logger = Logger(label: "test") { _ in lines }
        logger.logLevel = .trace
        let caller = try Caller(timeout: .milliseconds(300), log: logger)
        _ = try caller.call()
        for behaviour in ["reset", "truncate", "hang", "garbage", "not_json", "status"] {
            try caller.standIn.fail("{\"on\": \"all\", \"behaviour\": \"\(behaviour)\"}")
            let failures = "\(try caller.call()) \(try caller.renew())"
            #expect(!failures.contains(caller.token) && !failures.contains("s3cret"))
        }
        #expect(lines.text.value.contains("call of the Web API ended"))
        for secret in [caller.token, "s3cret", Data("client:s3cret".utf8).base64EncodedString()] {
            #expect(!lines.text.value.contains(secret))
        }
    }
}

/// Keeps every line that is logged.
private struct Lines: LogHandler {
    final class Text: @unchecked Sendable { var value = "" }  // one test, one thread
    let text = Text()
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        text.value += "\(event.message) \(event.metadata ?? [:])\n"
    }
}
