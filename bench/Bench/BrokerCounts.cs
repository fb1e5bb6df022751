using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Jobs.Bench;

/// <summary>How many messages the broker has had for a queue, as its management plugin counts them. Not for the clock: it hears of them every 5 s.</summary>
internal static class BrokerCounts
{
    public static readonly TimeSpan Lag = TimeSpan.FromSeconds(6);

    /// <returns>Null: there is no such queue, or no management plugin to ask.</returns>
    public static async Task<long?> PublishedAsync(string queue)
    {
        if (Environment.GetEnvironmentVariable("JOBS_RABBITMQ_MANAGEMENT") is not { Length: > 0 } management)
        {
            return null;
        }

        var broker = new Uri(Servers.RabbitMq);
        var vhost = broker.AbsolutePath.Length > 1 ? broker.AbsolutePath[1..] : "%2F";
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(broker.UserInfo))));
        using var answer = await http.GetAsync(new Uri($"{management.TrimEnd('/')}/api/queues/{vhost}/{queue}"));
        if (answer.StatusCode != HttpStatusCode.OK)
        {
            return null;
        }

        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.TryGetProperty("message_stats", out var stats) && stats.TryGetProperty("publish", out var published) ? published.GetInt64() : null;
    }
}
