using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Jobs.Tests.Engine;

/// <summary>The HTTP interface of RabbitMQ's management plugin, as its web pages use it.</summary>
internal sealed class Management : IDisposable
{
    private readonly HttpClient _http;
    private readonly string _host;

    public Management(TestApp app)
    {
        var broker = new Uri(app.Servers.RabbitMq);
        _host = broker.AbsolutePath.Trim('/') is { Length: > 0 } host ? host : "%2F";
        _http = new HttpClient { BaseAddress = new Uri(app.Servers.Management ?? throw new InvalidOperationException("These servers have no management plugin.")) };
        _http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(broker.UserInfo))));
    }

    /// <summary>What the form "Publish message" on an exchange's page sends: every property is a text there, and so is every header but those whose type was chosen.</summary>
    /// <returns>Whether it led to a queue.</returns>
    public async Task<bool> PublishAsync(string exchange, string routingKey, Dictionary<string, object> properties, string payload)
    {
        using var answer = await _http.PostAsJsonAsync($"/api/exchanges/{_host}/{exchange}/publish", new
        {
            vhost = Uri.UnescapeDataString(_host), name = exchange, properties, routing_key = routingKey, delivery_mode = "2", payload, headers = new { }, props = new { }, payload_encoding = "string",
        });
        answer.EnsureSuccessStatusCode();
        using var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return body.RootElement.GetProperty("routed").GetBoolean();
    }

    /// <summary>Closes the connection whose name begins so, once it is listed.</summary>
    public async Task CloseConnectionAsync(string name)
    {
        var found = await Eventually.SeeAsync(async () =>
        {
            using var connections = JsonDocument.Parse(await _http.GetStringAsync("/api/connections"));
            return connections.RootElement.EnumerateArray()
                .Where(c => c.TryGetProperty("user_provided_name", out var given) && given.GetString()!.StartsWith(name, StringComparison.Ordinal))
                .Select(c => c.GetProperty("name").GetString()!).FirstOrDefault();
        }, n => n is not null, $"a connection named {name}");
        using var answer = await _http.DeleteAsync($"/api/connections/{Uri.EscapeDataString(found!)}");
        answer.EnsureSuccessStatusCode();
    }

    public void Dispose() => _http.Dispose();
}
