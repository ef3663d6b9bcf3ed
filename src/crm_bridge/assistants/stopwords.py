"""Words that carry grammar or politeness but no topic, for seven languages. Data only.

`FUNCTION_WORDS` tell languages apart; together with `COURTESY_WORDS` they are left out when topics are compared.
"""

from __future__ import annotations

from types import MappingProxyType

_FUNCTION = {
    "en": """a about after all also am an and any are as at be because been before but by can can't cannot could
        did do does doesn't don't for from had has have he her him his how i i'm i've if in into is isn't it
        it's its just me my no not now of off on once only or our out over she should since so some still
        than that the their them then there these they this those to too until up us very was wasn't we were
        what when where which while who why will with without won't would yet you your""",
    "de": """aber alle als am an auch auf aus bei bereits bin bis bitte da damit danach dann das dass dem den
        denn der des dich die dies diese diesem diesen dieser dieses dir doch du durch ein eine einem einen
        einer eines er es etwas euch euer für gegen gibt habe haben hat hatte hier ich ihm ihn ihnen ihr
        ihre ihrem ihren im in ins ist ja jetzt kann kein keine keinen können man mein meine meinem meinen
        meiner mich mir mit muss nach nicht noch nun nur ob oder ohne schon sehr seit sich sie sind so soll
        über um und uns unser unsere vom von vor wann war warum was weil wenn werde werden wer wie wieder
        wir wird wo wurde zu zum zur zwischen""",
    "es": """a al algo antes aquí así aún como con cómo cuál cuándo cuánto de del desde después donde dónde el
        ella ellos en entre era es esa ese eso esta está están estas este esto estos estoy fue ha han hasta
        hay he hemos la las le les lo los me mi mis muy más ni no nos nuestra nuestro o otra otro para pero
        por porque puede puedo pueden que qué quién se sea ser si sin sobre soy su sus también tengo tiene
        tienen todo tu tus un una uno unos usted ustedes ya y yo""",
    "fr": """ai ainsi au aussi autre aux avant avec avez avons c'est ce cela ces cet cette chez comme comment
        dans de depuis des donc du elle elles en encore est et été être eu fait il ils j'ai je jusqu'à l'on
        la là le les leur leurs lors lui ma mais me même mes moi mon n'ai n'est ne ni nos notre nous on ont
        ou où par parce pas peut peux plus pour pourquoi pouvez pouvons qu'il qu'est quand que quel quelle
        quelles quels qui sa sans se ses si son sont sous suis sur ta te toujours tous tout très tu un une
        va vers vos votre vous y à""",
    "it": """a ad ai al alla alle anche ancora avete c'è che chi ci come con cosa così cui da dal dalla dei del
        dell della delle di dopo dove e ed era essere fino gli ha hai hanno ho i il in io la le lei li lo
        loro ma mi mia mie miei mio nei nel nella no noi non nostra nostro o ogni per perché però più poi
        possiamo posso prima può qual quale quali quando quanto quella quello questa questo se sei senza si
        sia siamo sono sta stato su sua sue sul sulla suo ti tra tu tutto un un'altra una uno vi voi vostra
        vostro è""",
    "nl": """aan al alle als ander bent ben bij dan dat de deze die dit doen door dus een en er geen had hebben
        hebt heeft het hier hoe hun iets ik in is ja jij je jullie kan kunnen kunt maar me meer met mij mijn
        moet na naar niet nog nu of om onder ons onze ook op over sinds te toch toen tot u uit uw van vanaf
        veel voor waar waarom wanneer want waren was wat we wel welke werd wie wij wil wilt worden wordt zal
        ze zich zij zijn zo zonder zou""",
    "pt": """a ainda algum ao aos aqui as até com como da das de dele depois desde do dos e ela ele eles em entre
        era essa esse está estão estava estou eu foi há isso isto já la lhe mais mas me mesmo meu meus minha
        minhas muito na não nas nem no nos nós nossa nosso o onde os ou para pela pelo pode podem por porque
        posso pra qual quais quando quanto que quem se sem ser seu seus sua são sobre só sou também tem
        tenho têm teu tudo um uma vocês você à às é""",
}

_COURTESY = {
    "en": """afternoon change changed changing instead one same send two back here still again find hasn't
        haven't didn't where's answer anyone anything appreciate asap ask best contact day days dear evening
        give get getting glad go going good got greetings hello help helped hey hi hope kind kindly know let
        like look looking many may maybe mention message morning much need please possible question
        questions really regards reply said say see sincerely something somebody soon sorry sure team tell
        thank thanks there's think thing today try tried trying unfortunately want wanted way week what's
        wish wonder wondering work works year yes yesterday""",
    "de": """ändern geändert schicken senden statt anfrage bleibt finde finden antwort antworten beste besten
        bitte danke dank dringend eigentlich einfach ersten fragen frage geehrte geehrten geht gerne gern
        grüße grüßen gruß guten hallo helfen heute hilfe hoffe könnten könnte leider liebe lieben machen mal
        mehr mfg möchte möchten morgen sage sagen tag team tun vielen voraus wäre weiß will wissen wollen
        wollte wünsche zeit""",
    "es": """cambiar mandar ayuda encontrar encuentro ayudar ayudarme buen buena buenas buenos cordial cordiales
        días dias duda estimada estimado favor gracias gustaría hacer hago hola hoy información muchas
        necesito noches nuevo podría podrían pregunta preguntas problema querría quería quiero quisiera
        respuesta saber saludo saludos tarde tardes vez""",
    "fr": """changer modifier aide trouver trouve aider aujourd'hui avance besoin bien bonjour bonsoir cher chère
        cordialement d'avance demande faire faut jour journée madame merci message monsieur petit plaît
        pouvoir pourriez pourrais problème question questions remercie réponse s'il salut salutations savoir
        souhaite svp veuillez veux voudrais""",
    "it": """cambiare modificare aiutarmi trovare trovo trova aiuto anticipo buon buona buonasera buongiorno cari
        caro ciao cordiali cortesemente distinti domanda domande fare favore gentile gentili giorno grazie
        magari mille oggi possibile potete potreste potrei problema risposta salve saluti sapere sera spero
        vorrei""",
    "nl": """wijzigen veranderen sturen alvast vinden vind avond bedankt beste dag dank doe goede goedemiddag
        goedemorgen graag groet groeten hallo hartelijk help helpen hoi hoop hulp kunnen middag morgen
        probleem svp vandaag vraag vragen vriendelijke weten zou""",
    "pt": """alterar mudar agradeço encontrar encontro encontra ajuda ajudar atenciosamente boa boas bom caro
        cara cumprimentos desculpe dia dúvida fazer favor gostaria hoje informação obrigada obrigado olá ola
        pergunta perguntas preciso problema quero queria resposta saber saudações tarde vez""",
}

FUNCTION_WORDS = MappingProxyType({code: frozenset(words.split()) for code, words in _FUNCTION.items()})
COURTESY_WORDS = MappingProxyType({code: frozenset(words.split()) for code, words in _COURTESY.items()})
