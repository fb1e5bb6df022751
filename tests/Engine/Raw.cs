using System.Text.Json;
using System.Text.Json.Serialization;

namespace Jobs.Tests.Engine;

/// <summary>Text that is written into the JSON as it is, as a careless converter might: System.Text.Json lets it pass, Postgres does not.</summary>
[JsonConverter(typeof(Converter))]
internal sealed record Raw(string Json)
{
    private sealed class Converter : JsonConverter<Raw>
    {
        public override Raw Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return new Raw(document.RootElement.GetRawText());
        }

        public override void Write(Utf8JsonWriter writer, Raw value, JsonSerializerOptions options) => writer.WriteRawValue(value.Json, skipInputValidation: true);
    }
}

[Job("test.raw")]
internal sealed record RawWork(Raw Value);
