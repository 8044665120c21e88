import JSON
import Platform
import Sessions
import Spotify
import Testing

@testable import Gateway
@testable import RateLimiting

@Suite("One decision says what stands in the way") struct ReadinessTests {
    private func look(_ change: (inout ReadinessLook) -> Void = { _ in }) -> ReadinessLook {
        var look = ReadinessLook(dataDirectory: "/data")
        look.limiter = limiter()
        change(&look)
        return look
    }

    private func limiter(_ change: (inout RateLimiterStatus) -> Void = { _ in }) -> RateLimiterStatus {
        var status = RateLimiterStatus(
            callsInWindow: 0, callsPerWindow: 1000, backgroundLimit: 800, nextSlotAt: 0, nextBackgroundSlotAt: 0, cooldown: nil,
            upstream: nil,
            tokenOutage: nil, refusedCredentials: nil, accountRefusal: nil, waiting: [:], leased: 0, failed: 0, callTime: .zero,
            tokenExpiresAt: nil)
        change(&status)
        return status
    }

    private func headline(_ change: (inout ReadinessLook) -> Void) -> String { Readiness(look(change)).headline }

    @Test("Nothing stands in the way of a sound installation")
    func sound() {
        let readiness = Readiness(look())
        #expect(readiness.headline == "ok" && readiness.isReady && readiness.status == "ok")
        #expect(headline { $0.sessions = SessionsHealth() } == "ok")
    }

    @Test("What keeps hits or sign-ins from being served is unavailable")
    func unavailable() {
        #expect(headline { $0.cacheFault = "damaged" } == "unavailable: cache-database")
        #expect(headline { $0.writeRefusal = "read-only" } == "unavailable: cache-database")
        #expect(headline { $0.conditions = .cacheIsRefused } == "unavailable: cache-database")
        #expect(headline { $0.limiterFault = "locked" } == "unavailable: limiter-database")
        #expect(headline { $0.unwritable = [("limiter.db", "no")] } == "unavailable: limiter-database")
        #expect(headline { $0.unwritable = [("", "no")] } == "unavailable: data-folder")
        #expect(headline { $0.sessions = SessionsHealth(database: "damaged") } == "unavailable: session-database")
        #expect(headline { $0.sessions = SessionsHealth(users: "missing") } == "unavailable: swingmusic-database")
        #expect(headline { $0.sessions = SessionsHealth(settings: "missing") } == "unavailable: swingmusic-settings")
        #expect(headline { $0.hasWorkers = false } == "unavailable: no-workers")
    }

    @Test("What only makes some of it wait is degraded")
    func degraded() {
        let pause = RateLimiterStatus.Interruption(recordedAt: 0, endsAt: 1000, failures: 2, reason: "why")
        #expect(headline { $0.isDiskFull = true } == "degraded: full-disk")
        #expect(headline { $0.conditions = .diskIsFull } == "degraded: full-disk")
        #expect(
            headline { $0.limiter = limiter { $0.cooldown = .init(recordedAt: 0, endsAt: 1000, quotaExceeded: false) } }
                == "degraded: cooldown")
        #expect(headline { $0.limiter = limiter { $0.callsInWindow = 1000 } } == "degraded: spent-hour")
        #expect(headline { $0.limiter = limiter { $0.callsInWindow = 999 } } == "ok")
        #expect(
            headline { $0.limiter = limiter { ($0.refusedCredentials, $0.tokenOutage) = (pause, pause) } }
                == "degraded: refused-credentials")
        #expect(headline { $0.limiter = limiter { $0.accountRefusal = pause } } == "degraded: refused-account")
        #expect(headline { $0.limiter = limiter { $0.tokenOutage = pause } } == "degraded: no-token")
        #expect(headline { $0.limiter = limiter { $0.upstream = pause } } == "degraded: spotify-unreachable")
        let now = WallTime(milliseconds: 1_795_000_000_000)
        func account(_ days: Int64, _ reason: String? = nil) -> String {
            headline {
                $0.now = now
                $0.account = AccountStanding(consentedAt: (now - .seconds(days * 86_400)).milliseconds, endReason: reason)
            }
        }
        #expect(account(0) == "ok" && account(140) == "ok" && account(160) == "degraded: ending-consent")
        #expect(account(160, "Invalid refresh token") == "degraded: ended-consent")
        #expect(headline { $0.hasCredentials = false } == "degraded: no-credentials")
        #expect(headline { $0.storeFault = "silent" } == "degraded: no-store")
        #expect(headline { $0.conditions = .storeIsUnused } == "degraded: no-store")
    }

    @Test("Where hosts share the account it is said what keeps this one from calling, and what makes it call less")
    func hosts() {
        func shared(_ change: (inout SharedStanding) -> Void) -> String {
            var standing = SharedStanding(host: "attic")
            change(&standing)
            return headline { $0.shared = standing }
        }
        #expect(shared { _ in } == "ok")
        #expect(shared { $0.fault = "it is away" } == "degraded: no-shared-store")
        #expect(shared { ($0.silent, $0.heard) = (1, ["cellar": 0]) } == "degraded: silent-hosts")
        #expect(shared { $0.mixed = ["cellar"] } == "degraded: mixed-hosts")
        let conditions = headline {
            $0.shared = SharedStanding(host: "attic")
            $0.conditions = .sharedStoreIsUnused
        }
        #expect(conditions == "degraded: no-shared-store")
    }

    @Test("A host that shared its pace with others lately and is alone now is told so; one that had no company is not")
    func alone() {
        let now = WallTime(milliseconds: 1_795_000_000_000)
        func left(_ ago: Duration, with others: [String]) -> String {
            var standing = SharedStanding()
            standing.seenAt = (now - ago).milliseconds
            standing.heard = Dictionary(uniqueKeysWithValues: others.map { ($0, 0) })
            return headline { ($0.shared, $0.now) = (standing, now) }
        }
        #expect(left(.seconds(60), with: ["cellar"]) == "degraded: alone-beside-hosts")
        #expect(left(.seconds(60), with: []) == "ok")
        #expect(left(.seconds(2 * 86_400), with: ["cellar"]) == "ok")
    }

    @Test("Of several troubles the worst decides and comes first; a full disk is why the database cannot be written, and not a second one")
    func several() {
        let readiness = Readiness(
            look {
                $0.storeFault = "silent"
                $0.isDiskFull = true
                $0.writeRefusal = "database or disk is full"
                $0.sessions = SessionsHealth(users: "/srv/music/swingmusic.db: the file is missing")
            })
        #expect(readiness.headline == "unavailable: swingmusic-database, full-disk, no-store")
        #expect(readiness.complaints.map(\.text).first == "/srv/music/swingmusic.db: the file is missing")
    }

    @Test("Strangers are told the words, the administrator paths and remedies as well")
    func words() throws {
        let readiness = Readiness(look { $0.cacheFault = "x" })
        #expect(
            JSONWriter.text(of: readiness.json(withTexts: false)) == #"{"status":"unavailable","reasons":["cache-database"],"warnings":[]}"#
        )
        let told = JSONWriter.text(of: readiness.json(withTexts: true))
        #expect(told.contains(#""text":"/data/cache.db cannot be read: x""#) && told.contains(Trouble.cacheDatabase.remedy))
    }
}

extension JSONWriter {
    fileprivate static func text(of value: JSONValue) -> String { String(decoding: bytes(of: value), as: UTF8.self) }
}
