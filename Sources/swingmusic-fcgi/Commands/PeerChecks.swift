import Catalog
import Foundation
import Gateway
import Glibc
import Logging
import Spotify
import RateLimiting

/// Spotify's credentials and what is remembered of the account. Never a call of the Web API.
enum SpotifyCheck {
    static func findings(_ settings: Settings, online: Bool) -> [Finding] {
        guard let credentials = settings.credentials else {
            return [
                .warning(
                    "SPOTIFY_CLIENT_ID", "is not set: what is cached is served, nothing new is looked up",
                    remedy:
                        "register an app at developer.spotify.com and set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET (or their _FILE variants)"
                )
            ]
        }
        var findings = [Finding.ok("SPOTIFY_CLIENT_ID", "is set, and so is its secret" + (online ? "" : "; --online proves them"))]
        findings += remembered(settings)
        if online { findings.append(token(credentials, settings.spotify)) }
        return findings
    }

    private static func remembered(_ settings: Settings) -> [Finding] {
        guard access(settings.dataDirectory + "/limiter.db", F_OK) == 0,
            let turnstile = try? Turnstile.standing(beside: settings, creating: false), let status = try? turnstile.status()
        else { return [.ok("Spotify account", "its mode is not known yet: the first answers show it")] }
        let mode = (try? turnstile.recall(AccountMode.fact)) ?? "not known yet"
        var findings = [
            Finding.ok("Spotify account", "mode: \(mode); \(status.callsInWindow) of \(status.callsPerWindow) calls made in the last hour")
        ]
        if let cooldown = status.cooldown {
            findings.append(
                .warning(
                    "Spotify",
                    "told us to wait until \(Output.time(cooldown.endsAt))\(cooldown.quotaExceeded ? " (the quota is spent)" : "")",
                    remedy: "wait: calls begin again by themselves; make sure that nothing else uses this app's credentials"))
        }
        if let outage = status.tokenOutage {
            findings.append(
                .warning(
                    "Spotify token", "the last \(outage.failures) requests failed: \(outage.reason)",
                    remedy: "check the credentials with 'check --online'"))
        }
        return findings
    }

    private static func token(_ credentials: SpotifyCredentials, _ endpoints: SpotifyEndpoints) -> Finding {
        do throws(SpotifyError) {
            let client = try SpotifyClient(endpoints: endpoints, log: .silent)
            var outcome: Result<AccessToken, SpotifyError>?
            client.requestToken(credentials) { outcome = $0 }
            while client.active > 0 { client.poll(for: .milliseconds(200), wake: -1) }
            switch outcome {
            case .success: return .ok("Spotify token", "given out by \(endpoints.accountsURL)")
            case .failure(let error): throw error
            case nil: throw SpotifyError.timedOut
            }
        } catch {
            return .error("Spotify token", "\(error)", remedy: remedy(error))
        }
    }

    private static func remedy(_ error: SpotifyError) -> String {
        switch error {
        case .badCredentials, .unauthorized:
            "copy SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET anew from the app's page at developer.spotify.com"
        case .rateLimited: "wait, and make sure that nothing else uses this app's credentials"
        default: "see that the host reaches SPOTIFY_ACCOUNTS_URL (name service, firewall, proxy, CA certificates)"
        }
    }
}

extension Turnstile {
    /// The turnstile of these settings, beside the workers' own.
    static func standing(beside settings: Settings, creating: Bool) throws(TurnstileError) -> Turnstile {
        try Turnstile(
            path: settings.dataDirectory + "/limiter.db", pace: Pace(interval: settings.minInterval, callsPerWindow: settings.callsPerHour),
            queueLimit: settings.queueLimit, leaseLifetime: settings.spotify.timeout + .seconds(5), creating: creating, log: .silent)
    }
}
